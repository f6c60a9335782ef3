"""The published protocols of the catalogue, from prepare to the scores of an evaluation."""

import csv
import json
import math

import numpy as np
import pytest
from flax import nnx
from PIL import Image

from configs import default
from input_pipeline.images.preprocessing import Preprocessing
from input_pipeline.loading.mixture import MixedDataset
from npr_jax.evaluation import images
from npr_jax.evaluation.protocol import as_published, departure, published_table
from npr_jax.inference.detector import Detector
from npr_jax.models.systems.registry import build_model
from tests import runs
from tests.trees import prepare, save


@pytest.mark.slow
def test_an_evaluation_as_published(tmp_path, trained):
    """AIGCDetectBenchmark: native size, an odd last row or column dropped."""
    pictures = {}
    for index, size in enumerate([(65, 70), (80, 64), (71, 69), (64, 64)]):
        name = f"Midjourney/{('0_real', '1_fake')[index % 2]}/{index}.png"
        pictures[name] = save(tmp_path / "in" / name, index, size)
    finished = runs.main(
        *("prepare", "--dataset=aigc_detect_benchmark", f"--source={tmp_path / 'in'}"),
        f"--output={tmp_path / 'aigc'}",
    )
    assert "WARNING: missing generators: test progan, test stylegan" in finished.stdout
    arguments = ["evaluate", f"--workdir={trained.workdir}", f"--data={tmp_path / 'aigc'}"]
    arguments += ["--split=test"]
    finished = runs.main(*arguments, "--resize=protocol", f"--output={tmp_path / 'published'}")
    assert "note:" not in finished.stderr
    [folder] = (tmp_path / "published" / "evaluation").iterdir()
    assert folder.name == "aigc_detect_benchmark-test-native-clean"
    meta = json.loads((folder / "results.json").read_text())["meta"]
    assert meta["preprocessing"] == "native size, sides cut to multiples of 2 pixels"
    assert (meta["catalogue"], meta["table"]) == ("aigc_detect_benchmark", None)
    assert meta["as_published"]
    with open(folder / "scores.csv", newline="") as file:
        logits = {row["filename"]: float(row["logit"]) for row in csv.DictReader(file)}
    detector = Detector.load(trained.workdir)
    for name, pixels in pictures.items():
        height, width = (side // 2 * 2 for side in pixels.shape[:2])
        [expected] = detector.logits([pixels[:height, :width]])
        assert logits[name] == pytest.approx(expected, abs=1e-5)

    finished = runs.main(*arguments, "--resize=64", f"--output={tmp_path / 'own'}")
    assert "note: a published protocol of aigc_detect_benchmark is: native size" in finished.stderr


def dataset_of(tmp_path, name, files):
    for path, size in files.items():
        save(tmp_path / "in" / path, 1, size)
    prepare(tmp_path / "in", tmp_path / "out", dataset=name)
    config = default.get_config()
    return config, MixedDataset.load([tmp_path / "out"])


PLAIN = Preprocessing(resize=256)


@pytest.fixture(scope="module")
def detector():
    """One that takes images of any size."""
    config = default.get_model()
    config.backbone = "thin_resnet"
    return Detector(build_model(config, nnx.Rngs(params=0)), PLAIN, source="test")


def test_a_networks_own_grid_is_no_departure_and_another_cut_is(tmp_path, detector):
    """Native size, no crop: the published code takes no odd sizes, so nothing says otherwise."""
    _, dataset = dataset_of(tmp_path, "gangen_detection", {"BEGAN/1_fake/a.png": (50, 40)})
    assert as_published(detector, "test", dataset).preprocessing.multiple_of == 2
    native = detector.with_preprocessing(Preprocessing())
    assert departure(native, "test", dataset) == ""
    cut = detector.with_preprocessing(Preprocessing(multiple_of=3))
    assert "sides cut to multiples of 6 pixels" in departure(cut, "test", dataset)


def test_what_was_squashed_when_it_was_stored_is_not_native(tmp_path, detector):
    save(tmp_path / "in/BEGAN/1_fake/a.png", 0, (50, 40))
    for size, name in ((32, "squashed"), (0, "native")):
        options = {"dataset": "gangen_detection", "storage": "decoded", "image_size": size}
        prepare(tmp_path / "in", tmp_path / name, **options)
    with pytest.raises(ValueError, match="squashed to 32 pixels when they were stored"):
        as_published(detector, "test", MixedDataset.load([tmp_path / "squashed"]))
    published = as_published(detector, "test", MixedDataset.load([tmp_path / "native"]))
    assert published.preprocessing.resize == 0
    assert detector.preprocessing == PLAIN, "the caller's detector stays as it was"


def test_genimage_tiles_small_images(tmp_path, detector):
    config, dataset = dataset_of(
        tmp_path,
        "genimage",
        {"glide/val/ai/small.png": (100, 90), "glide/val/nature/large.png": (300, 250)},
    )
    assert "small images tiled, centre crop 224" in departure(detector, "test", dataset)
    published = as_published(detector, "test", dataset)
    way = published.preprocessing
    assert way.resize == 0
    assert departure(published, "test", dataset) == ""
    found = {
        row["filename"]: row["image"] for row in images.images_of_test_split(config, dataset, way)
    }
    for name, image in found.items():
        pixels = np.asarray(Image.open(tmp_path / "in" / name))
        copies = [math.ceil(224 / side) for side in pixels.shape[:2]]
        tiled = np.tile(pixels, (*copies, 1))
        top, left = ((side - 224) // 2 for side in tiled.shape[:2])
        np.testing.assert_array_equal(image, tiled[top : top + 224, left : left + 224])


def test_without_a_protocol_or_with_two(tmp_path, detector):
    _, genimage = dataset_of(tmp_path / "a", "genimage", {"ADM/val/ai/a.png": (40, 40)})
    files = {"progan/cat/0_real/a.png": (40, 40)}
    _, forensynths = dataset_of(tmp_path / "b", "forensynths", files)
    both = MixedDataset([*genimage.datasets, *forensynths.datasets])
    with pytest.raises(ValueError, match="has several published protocols; evaluate"):
        as_published(detector, "test", both)
    assert "note: a published protocol of" in departure(detector, "test", both)
    save(tmp_path / "mine/gan/0_real/a.png")
    prepare(tmp_path / "mine", tmp_path / "own")
    own = MixedDataset.load([tmp_path / "own"])
    assert departure(detector, "test", own) == ""
    with pytest.raises(ValueError, match="mine has no published protocols"):
        as_published(detector, "test", own)


def test_an_evaluation_knows_its_table(tmp_path, detector):
    files = {"progan/cat/0_real/a.png": (40, 40), "progan/cat/1_fake/b.png": (40, 40)}
    config, dataset = dataset_of(tmp_path, "forensynths", files)
    facts = published_table([detector], config, dataset)
    assert (facts["catalogue"], facts["table"]) == ("forensynths", 1)
    assert facts["protocol"] == "squashed to 256, no crop"
    assert facts["as_published"]

    other = detector.with_preprocessing(Preprocessing(resize=0))
    assert not published_table([detector, other], config, dataset)["as_published"]
    again = detector.with_preprocessing(Preprocessing(resize=256, jpeg_quality=90))
    assert not published_table([again], config, dataset)["as_published"]
    config.data.delivery = "web"
    assert not published_table([detector], config, dataset)["as_published"]


def test_images_of_no_published_set_belong_to_no_table(tmp_path, detector):
    save(tmp_path / "mine/gan/0_real/a.png")
    prepare(tmp_path / "mine", tmp_path / "own")
    own = MixedDataset.load([tmp_path / "own"])
    facts = published_table([detector], default.get_config(), own)
    assert facts == {"catalogue": None, "table": None, "protocol": None, "as_published": False}


def test_pixels_stored_at_another_size_are_not_as_published(tmp_path, detector):
    save(tmp_path / "in/progan/0_real/a.png", 0, (50, 40))
    options = {"dataset": "forensynths", "storage": "decoded", "image_size": 32}
    prepare(tmp_path / "in", tmp_path / "out", **options)
    dataset = MixedDataset.load([tmp_path / "out"])
    assert not published_table([detector], default.get_config(), dataset)["as_published"]
