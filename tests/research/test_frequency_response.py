"""Mean power responses against closed forms and against gratings sent through the front end."""

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from docs.research import frequency_response
from docs.research.frequency_response import power_response
from npr_jax.residuals.residual import npr_residual

FREQUENCIES = np.array([0.0, 0.05, 0.125, 0.31, 0.5])


def test_nearest_half_is_two_sine_squares():
    """Of each two pixels one gives 0, the other the difference of neighbours: 4 sin^2 / 2."""
    ours = power_response("nearest", 0.5, np.zeros(1), FREQUENCIES)[0]
    np.testing.assert_allclose(ours, 2 * np.sin(np.pi * FREQUENCIES) ** 2, atol=1e-12)


def test_area_half_is_the_distance_from_the_mean_of_two():
    ours = power_response("area", 0.5, np.zeros(1), FREQUENCIES)[0]
    np.testing.assert_allclose(ours, np.sin(np.pi * FREQUENCIES) ** 2, atol=1e-12)


def test_the_middle_of_three_is_one_pixel_from_two():
    """At 1/3, phase 1: of each three pixels two give the difference of neighbours."""
    ours = power_response("nearest", 1 / 3, np.zeros(1), FREQUENCIES, phase=1)[0]
    np.testing.assert_allclose(ours, 4 * np.sin(np.pi * FREQUENCIES) ** 2 * 2 / 3, atol=1e-12)


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic", "area", "hh"])
def test_equals_the_power_of_gratings_sent_through_the_front_end(mode):
    """Real gratings of four phases, power 1, in the middle of a square image."""
    for row, column in ((0.11, 0.27), (0.4, 0.4)):
        y, x = np.mgrid[:192, :192]
        angle = 2 * np.pi * (row * y + column * x)
        shifts = np.array([0, np.pi / 2])
        gratings = np.stack([np.cos(angle + s) for s in shifts], axis=-1)
        view = npr_residual(jnp.asarray(gratings[None], jnp.float32), 0.5, mode)[0]
        power = np.square(np.asarray(view))[48:144, 48:144].sum(-1).mean()
        ours = power_response(mode, 0.5, np.array([row]), np.array([column]))[0, 0]
        np.testing.assert_allclose(ours, power, rtol=0.05)


def test_constants_are_not_seen():
    for mode in ("nearest", "bilinear", "bicubic", "area", "hh"):
        zero = np.zeros(1)
        np.testing.assert_allclose(power_response(mode, 0.5, zero, zero), 0, atol=1e-12)


def test_the_figure_is_drawn(tmp_path):
    frequency_response.draw(tmp_path / "response.png")
    with Image.open(tmp_path / "response.png") as image:
        assert min(image.size) > 800
