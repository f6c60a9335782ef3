"""`pairs` as a user calls it."""

import pytest

from input_pipeline.storage.prepared_dataset import PreparedDataset
from tests import runs
from tests.trees import records, save


@pytest.mark.slow
def test_from_photographs_to_pairs(tmp_path):
    for seed, name in enumerate(("a.jpg", "trip/b.jpg", "trip/c.png")):
        save(tmp_path / "photographs" / name, seed, (100, 70))
    output = tmp_path / "pairs"
    arguments = [f"--photographs={tmp_path / 'photographs'}", f"--output={output}"]
    arguments += ["--decoders=fir_narrow, shuffle4", "--per_photograph=1", "--largest=64"]
    said = runs.main("pairs", *arguments)
    assert said.stdout.splitlines()[0].startswith("train: 6 images, ")
    assert "  trip: 2" in said.stdout
    written = PreparedDataset.load(output)
    assert written.info["name"] == "photographs_pairs"
    assert len({record.pair for record in records(written, "train")}) == 3
    again = runs.main("pairs", *arguments, status=2)
    assert "exists already" in again.stderr


@pytest.mark.slow
def test_what_is_missing_or_unknown_is_named(tmp_path):
    said = runs.main("pairs", "--photographs=DIR", status=2)
    assert "pairs needs --photographs=DIR or --source=FOLDERS, and --output=DIR" in said.stderr
    save(tmp_path / "a.png", 0, (100, 70))
    arguments = [f"--photographs={tmp_path}", f"--output={tmp_path / 'out'}"]
    said = runs.main("pairs", *arguments, "--decoders=vae5", status=2)
    assert said.stderr.startswith("error: unknown decoder 'vae5'; the decoders are vae16, vae4")
