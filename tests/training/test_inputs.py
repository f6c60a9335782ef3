"""What the settings of a config do to training, validation and test images."""

import io
import itertools

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from input_pipeline.loading.mixture import MixedDataset
from input_pipeline.storage.dataset_writer import write_dataset
from input_pipeline.storage.records import ImageRecord
from npr_jax.detectors.trained import preprocessing_of
from npr_jax.evaluation.images import images_of_test_split
from npr_jax.training import inputs
from tests import runs

# Each image of the tiny data once, as it lies in the records.
NATIVE = {"data__resize": runs.SIDE, "data__host_crop": 0, "data__validation_crop": runs.SIDE}


def images_of(data, **changes):
    """The first epoch's training images, and all validation and test images, as bytes."""
    config = runs.tiny_config(data, **(NATIVE | changes))
    dataset = MixedDataset.load([data])
    train_input = inputs.TrainInput(config, dataset)
    batches = train_input.train_batches()
    epoch = list(itertools.islice(batches, train_input.steps_per_epoch))
    batches.close()
    train = [row for batch in epoch for row in batch["image"][batch["mask"] > 0]]
    validation = [element["image"] for element in train_input.validation_images()]
    return (
        train,
        validation,
        [
            element["image"]
            for element in images_of_test_split(config, dataset, preprocessing_of(config))
        ],
    )


def compressed(image, kind, quality):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, quality=quality)
    return np.asarray(Image.open(buffer).convert("RGB"))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"data__augment__blur_probability": 1.0, "data__augment__blur_sigma": (1.5, 1.5)},
            lambda image: np.stack(
                [ndimage.gaussian_filter(image[..., c], 1.5) for c in range(3)], -1
            ),
        ),
        (
            {
                "data__augment__jpeg_probability": 1.0,
                "data__augment__jpeg_quality": (55, 55),
                "data__augment__jpeg_codecs": ("pil",),
            },
            lambda image: compressed(image, "JPEG", 55),
        ),
        (
            {"data__augment__webp_probability": 1.0, "data__augment__webp_quality": (35, 35)},
            lambda image: compressed(image, "WEBP", 35),
        ),
    ],
)
def test_training_images_are_augmented_and_no_others(tiny_data, changes, expected):
    plain, *others = images_of(tiny_data)
    augmented, *untouched = images_of(tiny_data, **changes)
    assert len(plain) == runs.SPLITS["train"]
    for image, found in zip(plain, augmented, strict=True):
        np.testing.assert_array_equal(found, expected(image))
    for before, after in zip(others, untouched, strict=True):
        np.testing.assert_array_equal(after, before)


SHAPES = ((60, 90), (75, 40))  # height, width


def oblong(index):
    return np.random.default_rng(index).integers(0, 256, (*SHAPES[index % 2], 3), np.uint8)


@pytest.fixture(scope="module")
def oblong_data(tmp_path_factory):
    """Images of two sizes, numbered alike in every split."""

    def records(split):
        for index in range(6):
            image = oblong(index)
            height, width, _ = image.shape
            label, name = index % 2, f"{split}/{index}.png"
            yield ImageRecord(image.tobytes(), "decoded", height, width, label, "alpha", name)

    path = tmp_path_factory.mktemp("data") / "oblong"
    splits = {name: records(name) for name in ("train", "validation", "test")}
    write_dataset(path, "oblong", splits, {"made_by": "tests"})
    return path


def centre(image, side):
    top, left = (round((edge - side) / 2) for edge in image.shape[:2])
    return image[top : top + side, left : left + side]


def find(crop, wholes):
    """The numbers of those images that the crop was cut from."""
    views = [np.lib.stride_tricks.sliding_window_view(whole, crop.shape) for whole in wholes]
    return [i for i, view in enumerate(views) if (view == crop).all(axis=(-1, -2, -3)).any()]


def test_short_sides_reach_training_and_validation_but_not_test_images(oblong_data):
    train, validation, tests = images_of(
        oblong_data,
        data__resize=50,
        data__resize_mode="short_side",
        data__host_crop=48,
        data__validation_crop=40,
        data__evaluate_resize=32,
    )
    sizes = ((75, 50), (50, 93))  # width, height; the long side is int(50 * long / short)
    wholes = [
        np.asarray(Image.fromarray(oblong(i)).resize(sizes[i % 2], Image.BILINEAR))
        for i in range(6)
    ]
    assert sorted(number for crop in train for number in find(crop, wholes)) == list(range(6))
    assert {crop.shape for crop in train} == {(48, 48, 3)}
    for index in range(6):
        np.testing.assert_array_equal(validation[index], centre(wholes[index], 40))
        squashed = Image.fromarray(oblong(index)).resize((32, 32), Image.BILINEAR)
        np.testing.assert_array_equal(tests[index], np.asarray(squashed))


@pytest.mark.parametrize("reencode", [(), (80, 80)])
def test_small_images_are_tiled_in_training_and_validation(oblong_data, reencode):
    train, validation, tests = images_of(
        oblong_data,
        data__resize=0,
        data__host_crop=80,
        data__validation_crop=80,
        data__reencode=reencode,
        data__small_images="tile",
    )
    images = [compressed(oblong(i), "JPEG", 80) if reencode else oblong(i) for i in range(6)]
    tiled = [np.tile(image, ((2, 1, 1), (2, 2, 1))[i % 2]) for i, image in enumerate(images)]
    assert sorted(number for crop in train for number in find(crop, tiled)) == list(range(6))
    for index in range(6):
        np.testing.assert_array_equal(validation[index], centre(tiled[index], 80))
        np.testing.assert_array_equal(tests[index], images[index])


def test_native_crops_are_augmented_too(oblong_data):
    """Where a re-encoded image's crop alone would be encoded, were it not for the blur."""
    changes = {"data__resize": 0, "data__host_crop": 40, "data__reencode": (80, 80)}
    changes |= {"data__augment__blur_probability": 1.0, "data__augment__blur_sigma": (1.0, 1.0)}
    train, _, _ = images_of(oblong_data, **changes)
    wholes = [
        ndimage.gaussian_filter(compressed(oblong(i), "JPEG", 80), (1, 1, 0)) for i in range(6)
    ]
    assert sorted(number for crop in train for number in find(crop, wholes)) == list(range(6))
