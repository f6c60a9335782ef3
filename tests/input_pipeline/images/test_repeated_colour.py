"""Colour that libheif repeats is enlarged as that of JPEG, WebP and AVIF is."""

import io

import numpy as np
import pytest
from PIL import Image

from input_pipeline.images.repeated_colour import interpolate_colour
from input_pipeline.images.transforms import decode

MATRICES = {6: (0.299, 0.114), 1: (0.2126, 0.0722)}  # of red and blue: BT.601, BT.709


def planes(height, width, chroma):
    """Luma of every pixel, and smooth blue and red differences, one for each block."""
    drawn = np.random.default_rng(3)
    luma = drawn.integers(90, 160, (height, width)).astype(float)
    rows = -(-height // 2) if chroma == 420 else height
    coarse = drawn.integers(-40, 40, (2, 5, 6)).astype(np.float32)
    size = (-(-width // 2), rows)
    fine = [Image.fromarray(plane).resize(size, Image.Resampling.BICUBIC) for plane in coarse]
    return luma, np.rint(np.stack(fine, -1))


def repeated(samples, chroma):
    tall = samples.repeat(2, axis=0) if chroma == 420 else samples
    return tall.repeat(2, axis=1)


def interpolated(samples, chroma):
    """Weights 3/4 and 1/4 of the nearest and the next sample along each axis that is enlarged."""
    for axis in (0, 1) if chroma == 420 else (1,):
        first = np.moveaxis(samples, axis, 0)
        before = np.concatenate([first[:1], first[:-1]])
        after = np.concatenate([first[1:], first[-1:]])
        both = np.stack([0.75 * first + 0.25 * before, 0.75 * first + 0.25 * after], 1)
        samples = np.moveaxis(both.reshape(-1, *first.shape[1:]), 0, axis)
    return samples


def rgb(luma, colour, matrix):
    """ITU-T H.273, equations 43 to 45, full range."""
    red, blue = MATRICES[matrix]
    height, width = luma.shape
    difference_blue, difference_red = np.moveaxis(colour[:height, :width], -1, 0)
    r = luma + 2 * (1 - red) * difference_red
    b = luma + 2 * (1 - blue) * difference_blue
    g = (luma - red * r - blue * b) / (1 - red - blue)
    return np.rint(np.clip(np.stack([r, g, b], -1), 0, 255)).astype(np.uint8)


@pytest.mark.parametrize("matrix", [6, 1])
@pytest.mark.parametrize("chroma", [420, 422])
@pytest.mark.parametrize("size", [(96, 128), (97, 131), (1100, 64)])
def test_samples_are_interpolated_and_luma_stays(size, chroma, matrix):
    luma, samples = planes(*size, chroma)
    found = interpolate_colour(rgb(luma, repeated(samples, chroma), matrix), chroma, matrix)
    expected = rgb(luma, interpolated(samples, chroma), matrix)
    np.testing.assert_allclose(found.astype(int), expected, rtol=0, atol=1)


def test_what_is_not_repeated_is_left_alone():
    luma, samples = planes(96, 128, 420)
    smooth = rgb(luma, interpolated(samples, 420), 6)
    assert interpolate_colour(smooth, 420) is smooth
    blocks = rgb(luma, repeated(samples, 420), 6)
    assert interpolate_colour(blocks, 444) is blocks
    shifted = np.ascontiguousarray(blocks[1:, 1:])  # cut by the file, at an odd place
    assert interpolate_colour(shifted, 420) is shifted


def saved(pixels, kind, **options):
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def colour_steps(pixels):
    """Mean step of red less green from a pixel to its left neighbour, [even, odd] columns."""
    colour = pixels[..., 0].astype(int) - pixels[..., 1]
    steps = np.abs(np.diff(colour, axis=1))
    return np.array([steps[:, 1::2].mean(), steps[:, 0::2].mean()])


@pytest.mark.parametrize(
    ("turned", "options"),
    [
        (False, {}),
        (True, {}),
        (False, {"tile_size": 64}),  # as phones do
        (False, {"full_range_flag": 0}),
        (False, {"save_nclx_profile": False}),
    ],
)
def test_heic_has_the_colour_of_avif(turned, options):
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    luma, samples = planes(128, 192, 420)
    luma[:] = 128  # steps are those of colour
    pixels = rgb(luma, interpolated(samples, 420), 6)
    exif = Image.Exif()
    exif[0x0112] = 6 if turned else 1
    heic = saved(pixels, "HEIF", quality=95, chroma=420, exif=exif.tobytes(), **options)
    avif = decode(saved(pixels, "AVIF", quality=95, subsampling="4:2:0"))
    as_it_comes = np.asarray(Image.open(io.BytesIO(heic)))
    if not turned:
        between, within = colour_steps(as_it_comes)
        assert within < 0.5 * between  # else libheif interpolates by itself now
    np.testing.assert_allclose(colour_steps(decode(heic)), colour_steps(avif), rtol=0.1)
    assert np.abs(decode(heic).astype(int) - avif).mean() < 1
