"""The mark of Stable Diffusion's script: against the package's output, OpenCV and PyWavelets."""

import hashlib

import cv2
import numpy as np
import pytest
import pywt
from scipy import ndimage, stats

from input_pipeline.images.invisible_mark import (
    STABLE_DIFFUSION_1,
    find_mark,
    read_mark,
    read_marks,
    remove_mark,
    write_mark,
)
from input_pipeline.images.problems import ImageTooSmallError
from input_pipeline.images.transforms import jpeg

BITS = np.unpackbits(np.frombuffer(STABLE_DIFFUSION_1, np.uint8)).astype(bool)
# SHA-256 of `stripes(277, 391)` as invisible-watermark 0.2.0 marked it (encode, 'dwtDct').
PACKAGE_OUTPUT = "02d7697cd2d8d36bf023375395f361fffa1c4a898dc11a075b70a1d1691bd690"


def stripes(height, width):
    """Colours that rise and fall, in whole numbers, so that every machine has the same."""
    row, column = np.mgrid[:height, :width]
    channels = [
        (row * a + column * b + row * column // c) % 256
        for a, b, c in ((2, 1, 97), (1, 3, 61), (3, 2, 43))
    ]
    return np.stack(channels, axis=2).astype(np.uint8)


def photograph(seed, height=300, width=310):
    """Soft light and softer colours, with a sky of flat white over a third of it."""
    rng = np.random.default_rng(seed)
    light = ndimage.gaussian_filter(rng.normal(0, 120, (height, width, 1)), (1.5, 1.5, 0))
    colour = ndimage.gaussian_filter(rng.normal(0, 250, (height, width, 3)), (6, 6, 0))
    image = np.clip(110 + light + colour + rng.normal(0, 1, colour.shape), 0, 255)
    image[: height // 3] = 255
    return image.astype(np.uint8)


def marked_by_the_book(image):
    """Block by block as the module says it, by OpenCV and PyWavelets."""
    yuv = cv2.cvtColor(np.ascontiguousarray(image[..., ::-1]), cv2.COLOR_BGR2YUV)
    height, width = (side // 4 * 4 for side in image.shape[:2])
    sums, (across, down, both) = pywt.dwt2(yuv[:height, :width, 1], "haar")
    bits = iter(np.resize(BITS, sums.size))
    for row in range(sums.shape[0] // 4):
        for column in range(sums.shape[1] // 4):
            block = sums[4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
            place = np.unravel_index(1 + np.argmax(block.ravel()[1:]), (4, 4))
            block[place] = block[place] // 36 * 36 + (27 if next(bits) else 9)
    yuv[:height, :width, 1] = pywt.idwt2((sums, (down, across, both)), "haar")
    return cv2.cvtColor(yuv, cv2.COLOR_YUV2BGR)[..., ::-1]


@pytest.mark.parametrize("size", [(256, 256), (277, 391), (300, 225), (301, 222), (514, 131)])
def test_writing_is_bit_for_bit_the_method(size):
    for image in (photograph(1, *size), stripes(*size)):
        np.testing.assert_array_equal(write_mark(image), marked_by_the_book(image))


def test_writing_is_bit_for_bit_the_package():
    assert hashlib.sha256(write_mark(stripes(277, 391)).tobytes()).hexdigest() == PACKAGE_OUTPUT


@pytest.mark.parametrize("message", [STABLE_DIFFUSION_1, b"SDV2"])
def test_a_mark_is_read_and_other_messages_and_photographs_are_not(message):
    for seed in range(5):
        image = photograph(seed)
        marked = write_mark(image, message)
        assert read_mark(marked, message).is_carried
        assert read_mark(marked, message).share > 0.95
        for clean in (image, remove_mark(marked), write_mark(image, b"another message 1")):
            assert not read_mark(clean, message).is_carried


XL_BITS = [int(bit) for bit in f"{0b101100111110110010010000011110111011000110011110:048b}"]


def marked_in_floats(image):
    """As the scripts of Stable Diffusion XL do it: the same method, signs and all, then rounded."""
    yuv = cv2.cvtColor(np.ascontiguousarray(image[..., ::-1], np.float32), cv2.COLOR_BGR2YUV)
    height, width = (side // 4 * 4 for side in image.shape[:2])
    sums, (across, down, both) = pywt.dwt2(yuv[:height, :width, 1], "haar")
    bits = iter(np.resize(XL_BITS, sums.size))
    for row in range(sums.shape[0] // 4):
        for column in range(sums.shape[1] // 4):
            block = sums[4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
            place = np.unravel_index(1 + np.argmax(abs(block.ravel()[1:])), (4, 4))
            size = abs(block[place]) // 36 * 36 + (27 if next(bits) else 9)
            block[place] = size if block[place] >= 0 else -size
    yuv[:height, :width, 1] = pywt.idwt2((sums, (down, across, both)), "haar")
    rgb = cv2.cvtColor(yuv, cv2.COLOR_YUV2BGR)[..., ::-1]
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)


def test_each_programs_mark_is_named_and_no_other():
    for seed in range(4):
        image = photograph(seed, 400, 416)
        assert find_mark(image) is None
        assert find_mark(write_mark(image)).name == "Stable Diffusion 1"
        assert find_mark(write_mark(image, b"SDV2")).name == "Stable Diffusion 2"
        in_floats = marked_in_floats(image)
        assert find_mark(in_floats).name == "Stable Diffusion XL"
        readings = read_marks(in_floats)
        assert readings["Stable Diffusion XL"].share > 0.9
        assert readings["Stable Diffusion 1"] == read_mark(in_floats)
        assert sum(reading.is_carried for reading in readings.values()) == 1


def test_too_few_blocks_carry_nothing():
    assert find_mark(photograph(0, 24, 40)) is None
    assert set(read_marks(photograph(0, 24, 40)).values()) == {(0.5, 1.0)}


def test_flat_images_carry_nothing():
    for level in range(0, 256, 5):
        assert read_mark(np.full((256, 256, 3), level, np.uint8)).p_value == 1.0


def test_p_values_are_fishers():
    image = write_mark(photograph(3))
    noisy = np.random.default_rng(0).normal(image, 9).clip(0, 255).astype(np.uint8)
    for one in (photograph(2), photograph(3), noisy, stripes(300, 300)):
        reading = read_mark(one)
        # The share and the number of ones give the table: agree = both + neither.
        agree = round(reading.share * 136)
        tables = [
            [[met, BITS.sum() - met], [drawn - met, 136 - BITS.sum() - drawn + met]]
            for drawn in range(137)
            for met in range(
                max(0, drawn - (136 - int(BITS.sum()))), min(int(BITS.sum()), drawn) + 1
            )
            if met + 136 - BITS.sum() - drawn + met == agree
        ]
        values = [stats.fisher_exact(table, "greater").pvalue for table in tables]
        assert np.isclose(values, reading.p_value, rtol=1e-6).any()


def test_the_jpeg_of_the_web_breaks_the_mark():
    marked = write_mark(photograph(4))
    assert not read_mark(jpeg(marked, 75)).is_carried


def test_removing_brings_a_marked_image_nearer_to_what_it_was():
    for seed in range(5):
        image = photograph(seed).astype(float)
        marked = write_mark(photograph(seed))
        left = np.square(remove_mark(marked) - image).mean()
        assert left < 0.5 * np.square(marked - image).mean()


def test_images_too_small_are_refused_by_the_writer_and_read_as_chance():
    with pytest.raises(ImageTooSmallError, match=r"255x256 pixels; the invisible mark needs 65536"):
        write_mark(photograph(0, 255, 256))
    assert read_mark(photograph(0, 80, 100)) == (0.5, 1.0)
    assert not read_mark(np.zeros((3, 5, 3), np.uint8)).is_carried
