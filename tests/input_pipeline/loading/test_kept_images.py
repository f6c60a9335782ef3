"""Decoded images that are kept in memory for later epochs."""

import itertools
import os

import pytest

from input_pipeline.images.augmentations import GaussianBlur, JpegCompression
from input_pipeline.loading.pipeline import train_iterator
from tests.input_pipeline.loading.small_sets import EDGE, assert_same, take, write


@pytest.mark.parametrize("storage", ["decoded", "encoded"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"resize": 8},
        {"host_crop": 8, "reencode": (50, 90)},
        {"augment": (JpegCompression(0.5), GaussianBlur(0.5))},
    ],
)
def test_images_that_are_kept_are_read_once_and_change_no_batch(tmp_path, storage, settings):
    source = write(tmp_path, 22, storage)
    options = {"batch_size": 8, "seed": 5, "resize": 0, "prefetch": 0, **settings}
    two_epochs = take(train_iterator(source, **options), 6)
    image = EDGE * EDGE * 3  # bytes
    half_and_a_bit = 11 * image + image // 2
    assert_same(take(train_iterator(source, cache_bytes=half_and_a_bit, **options), 6), two_epochs)
    keeping = train_iterator(source, cache_bytes=22 * image, **options)
    first = list(itertools.islice(keeping, 3))
    for path in source.paths:
        os.truncate(path, 0)
    assert_same(first + take(keeping, 3), two_epochs)
