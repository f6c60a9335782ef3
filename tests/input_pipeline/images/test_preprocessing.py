"""What happens to a file before the network, against PIL and numpy."""

import dataclasses
import io
import pickle

import numpy as np
import pytest
from PIL import Image

from input_pipeline.images.preprocessing import NATIVE, Preprocessing, middle_quality
from input_pipeline.images.problems import (
    ImageProblem,
    ImageTooSmallError,
    ProblemKind,
    TooManyPixelsError,
)
from input_pipeline.images.transforms import decode, jpeg


def picture(height=70, width=95):
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def through_jpeg(image, quality):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality, subsampling=2)
    return Image.open(buffer)


def test_jpeg_resize_crop_and_cut_in_this_order():
    way = Preprocessing(resize=50, crop=41, multiple_of=4, jpeg_quality=70)
    squashed = through_jpeg(picture(), 70).resize((50, 50), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(way(picture()), np.asarray(squashed)[4:44, 4:44])
    short = dataclasses.replace(way, resize_mode="short_side", crop=0, multiple_of=1)
    expected = through_jpeg(picture(), 70).resize((67, 50), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(short(picture()), np.asarray(expected))
    np.testing.assert_array_equal(NATIVE(picture()), picture())
    assert way(picture()).flags["C_CONTIGUOUS"]


def test_small_images_reach_the_crop_by_reflection_or_tiles():
    small = picture(40, 40)
    padded = np.pad(small, [(4, 4), (4, 4), (0, 0)], mode="reflect")
    np.testing.assert_array_equal(Preprocessing(crop=48)(small), padded)
    tiled = Preprocessing(crop=48, small_images="tile")(small)
    np.testing.assert_array_equal(tiled, np.tile(small, (2, 2, 1))[16:64, 16:64])


def test_images_beyond_the_limits_say_which():
    way = Preprocessing(min_side=32, max_pixels=70 * 70)
    for image, kind, words in (
        (picture(31, 80), "too small", "too small: 31x80 pixels, at least 32x32 needed"),
        (picture(70, 71), "too large", "at most 4,900 pixels of them: give --resize"),
    ):
        with pytest.raises(ImageProblem, match=words) as caught:
            way(image)
        assert caught.value.kind == ProblemKind(kind)
    # What is cut may be what was enough.
    even = Preprocessing(multiple_of=2, min_side=33)
    with pytest.raises(ImageTooSmallError, match="32x80 pixels"):
        even(picture(33, 80))
    with pytest.raises(ImageProblem) as caught:
        jpeg(np.zeros((1, 65_501, 3), np.uint8), 75)
    assert caught.value.kind == ProblemKind.TOO_LARGE
    with pytest.raises(TooManyPixelsError) as caught:
        decode(png(), max_pixels=10)
    assert caught.value.kind == ProblemKind.TOO_LARGE
    with pytest.raises(ImageProblem) as caught:
        decode(b"no image")
    assert caught.value.kind == ProblemKind.UNREADABLE


def png():
    buffer = io.BytesIO()
    Image.fromarray(picture()).save(buffer, "PNG")
    return buffer.getvalue()


def read_nothing(data):
    return np.full((32, 32, 3), len(data), np.uint8)


def test_another_reader_takes_the_place_of_decoding():
    np.testing.assert_array_equal(NATIVE.decode(png()), picture())
    way = Preprocessing(read_file=read_nothing)
    np.testing.assert_array_equal(way.decode(b"abc"), read_nothing(b"abc"))
    assert pickle.loads(pickle.dumps(way)).read_file is read_nothing


def test_values_survive_json_and_limits_are_not_among_them():
    way = Preprocessing(64, "short_side", 40, "tile", multiple_of=3, jpeg_quality=75)
    assert Preprocessing(**way.values()) == way
    limited = dataclasses.replace(way, min_side=32, max_pixels=9999, read_file=read_nothing)
    assert limited == way
    assert limited.values() == way.values()
    for name, value in {"resize": 65, "multiple_of": 1, "jpeg_quality": 0}.items():
        assert dataclasses.replace(way, **{name: value}) != way


def test_a_cut_that_changes_no_image_is_none():
    for fixed in (Preprocessing(resize=48), Preprocessing(crop=48)):
        cut = dataclasses.replace(fixed, multiple_of=4)
        assert cut == fixed
        assert hash(cut) == hash(fixed)
        assert cut.in_words() == fixed.in_words()
        np.testing.assert_array_equal(cut(picture()), fixed(picture()))
        assert dataclasses.replace(fixed, multiple_of=5) != fixed
    short = Preprocessing(48, "short_side")
    assert dataclasses.replace(short, multiple_of=4) != short
    assert dataclasses.replace(NATIVE, multiple_of=2) != NATIVE


def test_words():
    assert NATIVE.in_words() == "native size"
    assert Preprocessing(resize=48, crop=40, small_images="tile", multiple_of=3).in_words() == (
        "squashed to 48x48 pixels, centre crop of 40 pixels (smaller images tiled), "
        "sides cut to multiples of 3 pixels"
    )
    assert Preprocessing(48, "short_side", jpeg_quality=75).in_words() == (
        "re-encoded as JPEG 75, short side resized to 48 pixels"
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"resize": -1}, "resize is -1 and crop 0"),
        ({"resize_mode": "long_side"}, "resize_mode is 'long_side'"),
        ({"small_images": "stretch"}, "small_images is 'stretch'"),
        ({"multiple_of": 0}, "multiple_of is 0"),
        ({"jpeg_quality": 101}, "JPEG quality is 101"),
        ({"resize": 16, "min_side": 32}, "expected 0 .native size. or at least 32"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Preprocessing(**settings)


def test_scoring_uses_the_middle_of_the_qualities_of_training():
    assert (middle_quality(()), middle_quality((60, 91))) == (0, 75)
    with pytest.raises(ValueError, match=r"data.reencode is \(90, 60\)"):
        middle_quality((90, 60))
