"""What the settings of a config do to training, validation and test images."""

import io
import itertools

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from input_pipeline.prepared import PreparedDataset
from npr_jax import inputs
from tests import runs

# Each image of the tiny data once, as it lies in the records.
NATIVE = {"data__resize": runs.SIDE, "data__host_crop": 0, "data__validation_crop": runs.SIDE}


def images_of(data, **changes):
    """The first epoch's training images, and all validation and test images, as bytes."""
    config = runs.tiny_config(data, **(NATIVE | changes))
    dataset = PreparedDataset.load(data)
    train_input = inputs.TrainInput(config, dataset)
    batches = train_input.train_batches()
    epoch = list(itertools.islice(batches, train_input.steps_per_epoch))
    batches.close()
    train = [row for batch in epoch for row in batch["image"][batch["mask"] > 0]]
    validation = [element["image"] for element in train_input.validation_images()]
    return train, validation, [element["image"] for element in inputs.test_images(config, dataset)]


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


def test_short_sides_reach_training_and_validation_but_not_test_images(tiny_data):
    """The square images of the tiny data only change in size."""
    sizes = {"data__resize": 50, "data__validation_crop": 48}
    squashed = images_of(tiny_data, **sizes)
    short = images_of(tiny_data, **sizes, data__resize_mode="short_side", data__host_crop=48)
    assert {image.shape for image in short[0]} == {(48, 48, 3)}
    for image, whole in zip(short[0], squashed[0], strict=True):
        windows = np.lib.stride_tricks.sliding_window_view(whole, (48, 48, 3))
        assert (windows == image).all(axis=(-1, -2, -3)).any()
    np.testing.assert_array_equal(short[1], squashed[1])
    np.testing.assert_array_equal(short[2], squashed[2])


def test_small_images_are_tiled_in_training_and_validation(tiny_data):
    sizes = {"data__resize": 0, "data__host_crop": 96, "data__validation_crop": 96}
    train, validation, tests = images_of(tiny_data, **sizes, data__small_images="tile")
    for image in (*train, *validation):
        np.testing.assert_array_equal(image[:32], image[64:])
        np.testing.assert_array_equal(image[:, :32], image[:, 64:])
    assert {image.shape for image in tests} == {(64, 64, 3)}
