"""What the files alone give away is measured once for a data set and kept."""

import json

import pytest
from PIL import Image

from input_pipeline.loading.mixture import MixedDataset
from npr_jax.evaluation import metadata_baseline
from npr_jax.evaluation.metadata_baseline import measure_metadata, metadata_auc
from tests.trees import prepare, save


@pytest.fixture
def measured(monkeypatch):
    """The splits of every measurement, in order; it takes no time."""
    calls = []

    def measure(dataset, *splits):
        calls.append(splits)
        return {"gan": {"metadata": 0.5 + len(calls) / 10}}

    monkeypatch.setattr(metadata_baseline, "measure_metadata", measure)
    return calls


@pytest.fixture
def path(tmp_path):
    for number, kind in enumerate(("0_real", "1_fake")):
        save(tmp_path / "in" / "gan" / kind / "a.png", number, (40, 40))
    prepare(tmp_path / "in", tmp_path / "data")
    return tmp_path / "data"


def test_a_data_set_is_measured_once(path, tmp_path, measured):
    first = metadata_auc(MixedDataset.load([path]), "train", "test", tmp_path / "a")
    assert first == {"gan": {"metadata": 0.6}}
    assert metadata_auc(MixedDataset.load([path]), "train", "test", tmp_path / "b") == first
    assert metadata_auc(MixedDataset.load([path]), "train", "dev", tmp_path / "b") != first
    assert measured == [("train", "test"), ("train", "dev")]
    assert not (tmp_path / "a").exists()

    # Other images are another data set.
    info = json.loads((path / "dataset.json").read_text())
    (path / "dataset.json").write_text(json.dumps(info | {"fingerprint": "0" * 64}))
    metadata_auc(MixedDataset.load([path]), "train", "test", tmp_path / "a")
    assert len(measured) == 3
    metadata_auc(MixedDataset.load([path]), "train", "test", tmp_path / "a")
    assert len(measured) == 3


def test_each_forest_sees_its_own(tmp_path):
    """Generated images are brighter in either split, and PNG files as the photographs are."""
    for split, seed in (("train", 0), ("test", 100)):
        for index in range(12):
            dark = save(tmp_path / f"in/{split}/gan/0_real/{index}.png", seed + index) // 4
            Image.fromarray(dark).save(tmp_path / f"in/{split}/gan/0_real/{index}.png")
            light = 255 - dark
            (tmp_path / f"in/{split}/gan/1_fake").mkdir(exist_ok=True)
            Image.fromarray(light).save(tmp_path / f"in/{split}/gan/1_fake/{index}.png")
    prepare(tmp_path / "in", tmp_path / "data", storage="encoded")
    found = measure_metadata(MixedDataset.load([tmp_path / "data"]), "train", "test")
    assert found["gan"]["nuisances"] == 1.0
    assert found["gan"]["metadata"] < 0.95


def test_where_it_cannot_lie_beside_the_data_set_it_is_kept_in_the_workdir(
    path, tmp_path, measured, monkeypatch
):
    write = metadata_baseline.write_together

    def refuse(folder, contents):
        if folder == path:
            raise PermissionError(13, "Permission denied")
        write(folder, contents)

    monkeypatch.setattr(metadata_baseline, "write_together", refuse)
    dataset = MixedDataset.load([path])
    first = metadata_auc(dataset, "train", "test", tmp_path / "run")
    assert metadata_auc(dataset, "train", "test", tmp_path / "run") == first
    assert len(measured) == 1
    assert (tmp_path / "run" / metadata_baseline.FILE).is_file()


def test_what_is_kept_damaged_is_measured_again(path, tmp_path, measured):
    (path / metadata_baseline.FILE).write_text("{")
    dataset = MixedDataset.load([path])
    for _ in range(2):
        metadata_auc(dataset, "train", "test", tmp_path)
    assert len(measured) == 1
