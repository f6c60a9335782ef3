"""The bundled detector after each change, as docs/detector.md shows it."""

import json
import re
import shutil

import pytest

from docs.research import detector_robustness
from docs.research.detector_figures import Measured
from input_pipeline.errors import UserError
from input_pipeline.storage.csv_files import read_csv
from npr_jax.detectors.card import own_card


@pytest.fixture
def folder(tmp_path):
    """Two photographs and two pictures of a new generator: clean tells them apart, noise not."""
    card = Measured.read(own_card())
    limit = card.calibration.generated_from
    rows = [
        f"dev/a.png,street,0,{limit - 2:.4f},0.0",
        f"dev/b.png,street,0,{limit + 1:.4f},0.0",
        f"dev/c.png,new,1,{limit + 2:.4f},0.0",
        f"dev/d.png,new,1,{limit + 3:.4f},",
    ]
    text = "\n".join(["filename,generator,label,clean,noise 16", *rows, ""])
    made = tmp_path / "run"
    made.mkdir()
    (made / "scores.csv").write_text(text)
    meta = {"weights": card.title, "commit": "abc", "date": "2026-01-01", "machine": "m"}
    (made / "results.json").write_text(json.dumps({"meta": meta}))
    return made


def test_a_run_becomes_a_table_of_what_is_left(folder, tmp_path):
    table = tmp_path / "new" / "robustness.csv"
    detector_robustness.main([str(folder), str(table)])
    assert [row["noise 16"] for row in read_csv(table)[1]] == ["0.0000"] * 3 + [""]
    text = detector_robustness.block_of(table)
    assert "| clean | 100.0 (100 to 100) | 100.0 | 50.0 | 4 |" in text
    # Alike, and below the limit; the picture without a score is left out.
    assert "| noise 16 | 50.0 (50 to 50) | 0.0 | 0.0 | 3 |" in text
    assert "2 photographs, and 2 pictures of 1 generator that" in text
    assert text.endswith(f"{Measured.read(own_card()).title}, commit abc, 2026-01-01, m.")


def test_parts_of_one_split_become_one_table(folder, tmp_path):
    other, table = tmp_path / "other", tmp_path / "robustness.csv"
    shutil.copytree(folder, other)
    scores = (other / "scores.csv").read_text().replace("noise 16", "jpeg 30")
    (other / "scores.csv").write_text(scores)
    detector_robustness.main([str(folder), str(other), str(table)])
    columns, rows = read_csv(table)
    assert columns[-3:] == ["clean", "noise 16", "jpeg 30"]
    assert [(row["noise 16"], row["jpeg 30"]) for row in rows] == [("0.0000",) * 2] * 3 + [("", "")]
    (other / "scores.csv").write_text(scores.replace("b.png", "x.png"))
    with pytest.raises(UserError, match=r"other differs from .*run in filename; score one split"):
        detector_robustness.joined([folder, other])


def test_parts_of_two_commits_or_with_other_logits_are_refused(folder, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    results = (other / "results.json").read_text()
    (other / "results.json").write_text(results.replace("2026-01-01", "2026-01-02"))
    detector_robustness.joined([folder, other])  # a run may go on after midnight
    (other / "results.json").write_text(results.replace("abc", "def"))
    scores = (other / "scores.csv").read_text()
    (other / "scores.csv").write_text(re.sub("street,0,[^,]*", "street,0,0.5", scores))
    with pytest.raises(UserError, match="in commit and clean; score"):
        detector_robustness.joined([folder, other])


def test_another_detectors_run_is_refused(folder, tmp_path):
    meta = json.loads((folder / "results.json").read_text())
    meta["meta"]["weights"] = "other 1.0"
    (folder / "results.json").write_text(json.dumps(meta))
    with pytest.raises(UserError, match=r"is of other 1\.0; expected the bundled npr-wild"):
        detector_robustness.measured(folder)
    assert detector_robustness.block_of(tmp_path / "none.csv").startswith("Not measured yet")
