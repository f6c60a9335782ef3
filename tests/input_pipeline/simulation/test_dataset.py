"""The simulated data set as a user gets it."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from input_pipeline.loading.mixture import MixedDataset
from input_pipeline.simulation import dataset
from input_pipeline.storage import dataset_writer, records
from input_pipeline.storage.prepared_dataset import PreparedDataset

SETTINGS = {
    "size": 32,
    "train_per_class": 6,
    "validation_per_class": 2,
    "test_per_family": 5,
    "train_family": "nearest_conv",
    "seed": 3,
}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    path = tmp_path_factory.mktemp("simulation") / "data"
    dataset.build_simulation(path, workers=0, **SETTINGS)
    return path


def _records(path, split):
    source = PreparedDataset.load(path).source(split)
    return [records.decode_record(source[i]) for i in range(len(source))]


def test_splits_hold_both_classes_of_the_same_scenes(built):
    splits = PreparedDataset.load(built).splits
    assert splits["train"].generators == {
        "nearest_conv": {"photographs": 0, "generated": 6},
        "photographs": {"photographs": 6, "generated": 0},
    }
    assert splits["validation"].num_examples == 4
    assert set(splits["test"].generators) == {"photographs", *dataset.FAMILIES}
    assert splits["test"].num_examples == 5 * (1 + len(dataset.FAMILIES))


def test_it_is_known_as_simulated_wherever_it_lies(built, tmp_path):
    moved = shutil.copytree(built, tmp_path / "elsewhere")
    other = {"test": _records(built, "test")[:1]}
    dataset_writer.write_dataset(tmp_path / "other", "simulation", other, {"made_by": "prepare"})
    dataset_writer.write_dataset(tmp_path / "maps", "maps", other, {"simulated": True})
    assert MixedDataset.load([moved]).simulated
    assert MixedDataset.load([tmp_path / "other", moved]).simulated
    assert MixedDataset.load([tmp_path / "maps"]).simulated
    assert not MixedDataset.load([tmp_path / "other"]).simulated


def test_nothing_but_pixels_tells_the_classes_apart(built):
    found = {(r.storage, r.height, r.width, len(r.image)) for r in _records(built, "test")}
    assert found == {("decoded", 32, 32, 32 * 32 * 3)}


def test_generated_images_look_like_their_photographs(built):
    images = {}
    for record in _records(built, "test"):
        pixels = records.image_array(record).astype(np.float64)
        images.setdefault(record.generator, []).append(pixels)
    photographs = np.array(images.pop("photographs"))
    for generated in images.values():
        error = np.sqrt(np.mean((np.array(generated) - photographs) ** 2))
        assert 1 < error < 25


def test_images_do_not_depend_on_the_number_of_workers(tmp_path):
    several_batches = {**SETTINGS, "train_per_class": 40, "test_per_family": 1}
    contents = set()
    for workers in (0, 2):
        path = tmp_path / str(workers)
        dataset.build_simulation(path, workers=workers, **several_batches)
        contents.add(PreparedDataset.load(path).info["content_sha256"])
    assert len(contents) == 1


def test_the_same_settings_keep_a_directory_and_others_are_refused(built):
    before = (built / "dataset.json").stat().st_mtime_ns
    dataset.build_simulation(built, workers=0, **SETTINGS)
    assert (built / "dataset.json").stat().st_mtime_ns == before
    with pytest.raises(ValueError, match="other settings"):
        dataset.build_simulation(built, workers=0, **{**SETTINGS, "seed": 4})


def test_a_data_set_of_another_version_is_kept_where_its_images_are_the_same(built, tmp_path):
    """A fingerprint covers the code as well, which changes more often than the images do."""
    for name, settings in (("same", SETTINGS), ("other", {**SETTINGS, "seed": 4})):
        if name == "other":
            dataset.build_simulation(tmp_path / name, workers=0, **settings)
        else:
            shutil.copytree(built, tmp_path / name)
        file = tmp_path / name / "dataset.json"
        info = json.loads(file.read_text()) | {"fingerprint": "of version 1", "seed": 3}
        file.write_text(json.dumps(info))
    before = (tmp_path / "same/dataset.json").read_bytes()
    dataset.build_simulation(tmp_path / "same", workers=0, **SETTINGS)
    assert (tmp_path / "same/dataset.json").read_bytes() == before
    with pytest.raises(ValueError, match="another version"):
        dataset.build_simulation(tmp_path / "same", workers=0, **{**SETTINGS, "seed": 5})
    with pytest.raises(ValueError, match="another version"):
        dataset.build_simulation(tmp_path / "other", workers=0, **SETTINGS)


def test_baselines_are_written_for_every_family(built):
    baselines = json.loads((built / "baselines.json").read_text())
    assert set(baselines) == set(dataset.FAMILIES)
    for values in baselines.values():
        assert set(values) == {
            "metadata",
            "colour_histogram",
            "noise_variance",
            "power_spectrum",
        }
        assert all(0.5 <= value <= 1 for value in values.values())
        assert values["metadata"] == 0.5


def test_own_photographs_serve_as_scenes(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(3):
        noise = rng.integers(0, 255, (12, 15, 3), dtype=np.uint8)
        for folder in ("photos", "photos/.thumbnails", "photos/@eaDir"):
            (tmp_path / folder).mkdir(exist_ok=True)
            Image.fromarray(noise).resize((150, 120)).save(tmp_path / folder / f"{i}.png")
    (tmp_path / "photos" / "notes.txt").write_text("not a photograph")
    photos = str(tmp_path / "photos")
    settings = {**SETTINGS, "test_per_family": 1}
    dataset.build_simulation(tmp_path / "data", workers=0, photos=photos, **settings)
    dataset_info = PreparedDataset.load(tmp_path / "data").info
    assert dataset_info["scenes"] == "3 photographs"


def test_too_few_photographs_are_refused(tmp_path):
    Image.new("RGB", (500, 500)).save(tmp_path / "one.png")
    Image.new("RGB", (20, 20)).save(tmp_path / "small.png")
    with pytest.raises(ValueError, match="has 1 readable photographs of at least 80 x 80"):
        dataset.build_simulation(tmp_path / "data", photos=str(tmp_path), **SETTINGS)
    with pytest.raises(ValueError, match="not a folder"):
        dataset.build_simulation(tmp_path / "data", photos=str(tmp_path / "no"), **SETTINGS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 60}, "multiples of 8"),
        ({"train_per_class": 0}, "train_per_class is 0"),
        ({"train_family": "gan"}, "'gan'; allowed are nearest_conv"),
        ({"seed": -1}, "0 or more"),
    ],
)
def test_wrong_settings_are_refused(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        dataset.build_simulation(tmp_path / "data", **{**SETTINGS, **change})
    assert not (tmp_path / "data").exists()
