"""The metadata-only baseline: what it sees of a file, and that it sees no pixel."""

import io

import numpy as np
import pytest
from flax import nnx
from PIL import Image

from configs import metadata as recipe
from input_pipeline.images.metadata import metadata_picture
from input_pipeline.images.preprocessing import Preprocessing
from input_pipeline.images.problems import UnreadableImageError
from input_pipeline.loading.mixture import MixedDataset
from input_pipeline.loading.pipeline import evaluation_images, train_iterator
from input_pipeline.storage.dataset_writer import write_dataset
from input_pipeline.storage.records import ImageRecord, decode_record
from npr_jax.config import check_config
from npr_jax.evaluation.evaluate import evaluate_run
from npr_jax.evaluation.results import read_scores
from npr_jax.inference.detector import Detector
from npr_jax.models.base import count_parameters, whole_maps
from npr_jax.models.systems.registry import SYSTEMS, build_model


def encoded(kind: str, size=(60, 45), seed: int = 0, **options) -> bytes:
    """The bytes of an image file of noise, ``size`` being (height, width)."""
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


@pytest.fixture(scope="module")
def model():
    model = build_model(recipe.get_config().model, nnx.Rngs(params=0))
    model.eval()
    return model


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """JPEG photographs and PNG images that are called generated."""

    def records():
        for index in range(6):
            kind = "PNG" if index % 2 else "JPEG"
            data, name = encoded(kind, seed=index), f"{index}.{kind.lower()}"
            yield ImageRecord(data, "encoded", 60, 45, index % 2, "gan", name)

    path = tmp_path_factory.mktemp("data") / "files"
    write_dataset(path, "files", {"train": records(), "test": records()}, {})
    return MixedDataset.load([path])


def test_the_network_gets_the_features_of_the_file(model):
    """Before any training running means are 0 and variances 1: features pass as they are."""
    files = [encoded("JPEG", quality=75, subsampling="4:2:0"), encoded("PNG", (333, 1024))]
    maps = whole_maps(model, np.stack([metadata_picture(data) for data in files]))[0]
    luminance = np.mean(Image.open(io.BytesIO(files[0])).quantization[0])
    expected = [
        [1, 0, 0, 0, 0, 0, 60, 45, len(files[0]) / (60 * 45), luminance, 1],
        [0, 1, 0, 0, 0, 0, 333, 1024, len(files[1]) / (333 * 1024), 0, 0],
    ]
    np.testing.assert_allclose(maps[:, 0, 0], np.log1p(expected), rtol=1e-4, atol=1e-5)


def test_parameters_counted_by_hand(model):
    assert count_parameters(model) == 11 * 32 + 32 + 32 + 1


def test_pixels_make_no_difference_and_the_format_does(tmp_path, model):
    """Bitmaps of one size differ in nothing but pixels."""
    for name, kind, seed in (("a.bmp", "BMP", 1), ("b.bmp", "BMP", 2), ("c.png", "PNG", 1)):
        (tmp_path / name).write_bytes(encoded(kind, seed=seed))
    (tmp_path / "d.png").write_text("no image")
    detector = Detector(model, Preprocessing(crop=32), source="test", system="metadata")
    first, second, other, wrong = detector.score(sorted(tmp_path.iterdir()))
    assert first.score == second.score != other.score
    assert wrong.error == "not an image of a known format"


def test_images_are_the_pictures_and_all_else_is_as_it_was(dataset):
    source = dataset.split("train").source
    before = [decode_record(source[index]) for index in range(6)]
    pictures = [metadata_picture(record.image) for record in before]
    preprocessing = Preprocessing(crop=32, read_file=metadata_picture)
    for element in evaluation_images(source, preprocessing):
        record = before[element["index"]]
        np.testing.assert_array_equal(element["image"], pictures[element["index"]])
        for key in ("label", "generator", "filename"):
            assert element[key] == getattr(record, key)
    settings = {"resize": 0, "host_crop": 32, "read_file": metadata_picture}
    batches = train_iterator(source, batch_size=6, seed=3, **settings)
    batch = next(batches)
    batches.close()
    found = {
        (image.tobytes(), label)
        for image, label in zip(batch["image"], batch["label"], strict=True)
    }
    expected = zip(pictures, before, strict=True)
    assert found == {(picture.tobytes(), record.label) for picture, record in expected}


def test_unreadable_files_are_named():
    for data in (b"", b"no image", encoded("PNG")[:20]):
        with pytest.raises(UnreadableImageError):
            metadata_picture(data)


def test_data_sets_without_files_are_refused(tiny_data, dataset):
    facts = SYSTEMS["metadata"].data_facts
    assert facts(recipe.get_config(), dataset) == {}
    with pytest.raises(ValueError, match="--storage=encoded"):
        facts(recipe.get_config(), MixedDataset.load([tiny_data]))


def test_an_evaluation_scores_files_as_predict_does(dataset, model, tmp_path):
    """And its mistakes show the pictures, not what the network reads of the files."""
    detector = Detector(model, Preprocessing(crop=32), source="test", system="metadata")
    evaluate_run(detector, recipe.get_config(), dataset, tmp_path)
    [folder] = (tmp_path / "evaluation").iterdir()
    found = read_scores(folder / "scores.csv")
    files = [encoded("PNG" if i % 2 else "JPEG", seed=i) for i in range(6)]
    scored = detector.score_bytes(zip(found.filenames, files, strict=True))
    np.testing.assert_allclose(found.logits, [one.logit for one in scored], rtol=0, atol=1e-5)
    assert not (folder / "samples.npz").exists()
    with np.load(folder / "mistakes.npz") as mistakes:
        rows = mistakes["rows"]
        assert len(rows)
        for row in rows:
            pixels = np.asarray(Image.open(io.BytesIO(files[row])).convert("RGB"))
            np.testing.assert_array_equal(mistakes[f"image_{row}"], pixels)


def test_deliveries_are_refused(dataset, model, tmp_path):
    detector = Detector(model, Preprocessing(crop=32), source="test", system="metadata")
    config = recipe.get_config()
    config.data.delivery = "web"
    with pytest.raises(ValueError, match="--delivery=web changes pixels"):
        evaluate_run(detector, config, dataset, tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("resize", 256),
        ("crop", 64),
        ("flip", True),
        ("reencode", (60, 90)),
        ("augment.jpeg_probability", 0.5),
        ("augment.rotation", 10.0),
    ],
)
def test_what_would_change_the_picture_is_refused(key, value):
    config = recipe.get_config()
    check_config(config)
    config.update_from_flattened_dict({f"data.{key}": value})
    with pytest.raises(ValueError, match=f"data.{key} is"):
        check_config(config)
