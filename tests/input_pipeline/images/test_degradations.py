"""Each transformation against one made by hand with PIL, numpy or scipy."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from input_pipeline.images import degradations
from input_pipeline.images.invisible_mark import read_mark
from input_pipeline.images.problems import ImageTooSmallError
from tests import runs

SEED, INDEX = 7, 3


@pytest.fixture(scope="module")
def image():
    """Smooth enough for JPEG to matter in degrees, of odd and unequal sides."""
    noise = np.random.default_rng(0).normal(0, 40, (67, 91, 3))
    return np.clip(ndimage.gaussian_filter(noise, (1, 1, 0)) * 3 + 120, 0, 255).astype(np.uint8)


def saved(image, **options):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, **options)
    return np.asarray(Image.open(buffer).convert("RGB"))


def resized(image, height, width, resample):
    return np.asarray(Image.fromarray(image).resize((width, height), resample))


def by_label(names=""):
    return {one.label: one for one in degradations.transformations(names)}


def test_recompressions_are_pils(image):
    every = by_label()
    for quality in (95, 60, 30):
        expected = saved(image, format="JPEG", quality=quality, subsampling=2)
        np.testing.assert_array_equal(every[f"jpeg {quality}"](image, SEED, INDEX), expected)
    expected = saved(image, format="WEBP", quality=50)
    np.testing.assert_array_equal(every["webp 50"](image, SEED, INDEX), expected)
    once = saved(image, format="JPEG", quality=50, subsampling=2)
    twice = saved(once, format="JPEG", quality=90, subsampling=2)
    np.testing.assert_array_equal(every["double_jpeg 50+90"](image, SEED, INDEX), twice)


@pytest.mark.parametrize(
    ("label", "size", "resample"),
    [
        ("resize_bilinear 0.5", (34, 46), Image.Resampling.BILINEAR),
        ("resize_bicubic 0.25", (17, 23), Image.Resampling.BICUBIC),
        ("resize_lanczos 2", (134, 182), Image.Resampling.LANCZOS),
    ],
)
def test_resizes_are_pils(image, label, size, resample):
    # Halves are rounded to the even number: 33.5 pixels to 34, 45.5 to 46.
    changed = by_label("resize")[label](image, SEED, INDEX)
    np.testing.assert_array_equal(changed, resized(image, *size, resample))


def test_screenshot_is_shown_captured_shrunk_and_posted(image):
    changed = by_label()["screenshot 2"](image, SEED, INDEX)
    shown = resized(image, 134, 182, Image.Resampling.BILINEAR)
    back = resized(shown, 67, 91, Image.Resampling.BICUBIC)
    expected = saved(back, format="JPEG", quality=85, subsampling=2)
    np.testing.assert_array_equal(changed, expected)


def test_deliveries_and_grey(image):
    every = by_label()
    large = np.tile(image, (8, 12, 1))
    small = resized(large, round(67 * 8 * 512 / 1092), 512, Image.Resampling.BICUBIC)
    expected = saved(small, format="JPEG", quality=40, subsampling=2)
    np.testing.assert_array_equal(every["delivery hard"](large, SEED, INDEX), expected)
    luminance = np.asarray(Image.fromarray(image).convert("L"))
    for channel in range(3):
        np.testing.assert_array_equal(every["grey"](image, SEED, INDEX)[..., channel], luminance)


def test_blur_is_scipys_on_each_channel(image):
    changed = by_label()["blur 2"](image, SEED, INDEX)
    for channel in range(3):
        expected = ndimage.gaussian_filter(image[..., channel], 2.0)
        np.testing.assert_array_equal(changed[..., channel], expected)


def test_noise_has_its_strength_and_is_an_images_own():
    flat = np.full((120, 120, 3), 128, np.uint8)
    every = by_label()
    for sigma in (2, 8, 16):
        noise = every[f"noise {sigma}"](flat, SEED, INDEX).astype(float) - 128
        # Rounding adds a variance of 1/12.
        assert noise.std() == pytest.approx(np.sqrt(sigma**2 + 1 / 12), rel=0.02)
        assert abs(noise.mean()) < 0.05 * sigma
    first, again = (every["noise 8"](flat, SEED, INDEX) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (every["noise 8"](flat, SEED, INDEX + 1) != first).any()
    assert (every["noise 8"](flat, SEED + 1, INDEX) != first).any()


def test_a_crop_is_a_part_of_the_image_anywhere(image):
    crop = by_label()["crop 0.5"]
    corners = set()
    for index in range(40):
        part = crop(image, SEED, index)
        assert part.shape == (34, 46, 3)
        windows = np.lib.stride_tricks.sliding_window_view(image, part.shape)[:, :, 0]
        places = np.argwhere((windows == part).all(axis=(2, 3, 4)))
        assert len(places) == 1
        corners.add(tuple(places[0]))
    assert {corner[0] % 2 for corner in corners} == {0, 1}, "even and odd offsets"
    assert len(corners) > 30


def test_the_invisible_mark_is_written_once_and_needs_room(image):
    mark = by_label()["invisible_mark"]
    large = np.tile(image, (4, 4, 1))
    marked = mark(large, SEED, INDEX)
    assert read_mark(marked).is_carried
    assert mark(marked, SEED, INDEX) is marked
    with pytest.raises(ImageTooSmallError, match="67x91 pixels; the invisible mark needs 65536"):
        mark(image, SEED, INDEX)


def test_families_are_chosen_by_name():
    chosen = degradations.transformations("webp, resize")
    assert chosen[0].label == "clean"
    families = ["clean", "webp", "resize_bilinear", "resize_bicubic", "resize_lanczos"]
    assert list(dict.fromkeys(one.name for one in chosen)) == families
    labels = [one.label for one in degradations.transformations()]
    assert len(set(labels)) == len(labels)
    with pytest.raises(ValueError, match=r"no 'fax'; choose from jpeg, .*clean, resize"):
        degradations.transformations("jpeg,fax")
    alike = [runs.picture(0, False)] * 2
    np.testing.assert_array_equal(chosen[0](alike[0], SEED, INDEX), alike[1])
