"""Colour spaces against OpenCV, Pillow and values known by hand; derivatives in float64."""

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from npr_jax.residuals.color_spaces import COLORS, DIFFERENCES, convert

PIXELS = np.random.default_rng(0).integers(0, 256, (16, 24, 3)).astype(np.uint8)
CORNERS = np.array(
    [[r, g, b] for r in (0, 255) for g in (0, 255) for b in (0, 255)] + [[1, 2, 3], [10, 10, 10]],
    np.uint8,
)[None]


def ours(pixels, color):
    return np.asarray(convert(jnp.asarray(pixels, jnp.float32), color))


@pytest.mark.parametrize("pixels", [PIXELS, CORNERS], ids=["random", "corners"])
def test_lab_equals_opencv(pixels):
    coded = pixels / 255
    linear = np.where(coded > 0.04045, ((coded + 0.055) / 1.055) ** 2.4, coded / 12.92)
    # From linear light: from sRGB OpenCV interpolates in tables and is off by up to 0.5.
    expected = cv2.cvtColor(linear.astype(np.float32), cv2.COLOR_LRGB2Lab)
    expected = expected * [2.55, 1, 1] + [0, 128, 128]
    np.testing.assert_allclose(ours(pixels, "lab"), expected, rtol=0, atol=0.03)
    tables = cv2.cvtColor(coded.astype(np.float32), cv2.COLOR_RGB2Lab) * [2.55, 1, 1]
    tables[..., 1:] += 128
    np.testing.assert_allclose(ours(pixels, "lab"), tables, rtol=0, atol=0.6)


def test_lab_of_known_colours():
    """The sRGB primaries as colorimetry tables print them: L*, a*, b*."""
    known = {
        (255, 0, 0): (53.24, 80.09, 67.20),
        (0, 255, 0): (87.73, -86.18, 83.18),
        (0, 0, 255): (32.30, 79.19, -107.86),
        (255, 255, 255): (100, 0, 0),
        (0, 0, 0): (0, 0, 0),
        (119, 119, 119): (50.03, 0, 0),
    }
    for pixel, (lightness, a, b) in known.items():
        expected = [2.55 * lightness, a + 128, b + 128]
        np.testing.assert_allclose(ours([pixel], "lab")[0], expected, rtol=0, atol=0.03)


def test_ycbcr_equals_jpegs():
    expected = np.asarray(Image.fromarray(PIXELS).convert("YCbCr"), np.float32)
    np.testing.assert_allclose(ours(PIXELS, "ycbcr"), expected, rtol=0, atol=1.01)
    red, white = ours([[255, 0, 0], [255, 255, 255]], "ycbcr")
    np.testing.assert_allclose(red, [76.245, 84.9723, 255.5], atol=1e-3)
    np.testing.assert_allclose(white, [255, 128, 128], atol=1e-3)


def test_differences_are_blind_to_grey_and_have_rank_two():
    np.testing.assert_array_equal(ours([[200, 150, 10]], "differences"), [[50, -140, 190]])
    shared = PIXELS + 7.0 * np.arange(24)[:, None]
    np.testing.assert_allclose(ours(shared, "differences"), ours(PIXELS, "differences"), atol=1e-4)
    assert np.linalg.matrix_rank(DIFFERENCES) == 2


@pytest.mark.parametrize("color", COLORS)
def test_finite_everywhere_with_finite_derivatives(color):
    values = jnp.asarray([[0, 0, 0], [255, 255, 255], [-300, 5, 900], [1e-6, 0, 0]], jnp.float32)
    values = jnp.concatenate([values, jnp.asarray(CORNERS[0], jnp.float32)])
    converted = convert(values, color)
    derivatives = jax.vmap(jax.jacobian(lambda x: convert(x, color)))(values)
    assert jnp.isfinite(converted).all()
    assert jnp.isfinite(derivatives).all()


@pytest.mark.parametrize("color", COLORS)
def test_derivatives_equal_finite_differences(color):
    with jax.enable_x64(True):
        x = jnp.asarray(PIXELS[:4, :4], jnp.float64) + 0.3
        direction = jnp.asarray(np.random.default_rng(1).normal(size=x.shape))
        _, slope = jax.jvp(lambda v: convert(v, color), (x,), (direction,))
        step = 1e-5
        ahead, behind = convert(x + step * direction, color), convert(x - step * direction, color)
        np.testing.assert_allclose(slope, (ahead - behind) / (2 * step), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("color", COLORS)
def test_compiles_to_the_same_values(color):
    x = jnp.asarray(PIXELS, jnp.float32)
    compiled = jax.jit(lambda v: convert(v, color))(x)
    np.testing.assert_allclose(compiled, convert(x, color), rtol=0, atol=1e-3)
    assert compiled.dtype == jnp.float32


@pytest.mark.parametrize(
    ("pixels", "color", "message"),
    [
        (np.zeros((4, 3), np.float32), "hsv", "rgb, ycbcr, lab, differences"),
        (np.zeros((4, 3), np.uint8), "rgb", r"uint8 \[4, 3\]; expected float \[..., 3\]"),
        (np.zeros((4, 4), np.float32), "lab", r"float32 \[4, 4\]; expected float \[..., 3\]"),
    ],
)
def test_refuses_what_it_cannot_do(pixels, color, message):
    with pytest.raises(ValueError, match=message):
        convert(jnp.asarray(pixels), color)
