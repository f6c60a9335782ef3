"""What theory predicts, against numbers worked out by hand or by simulation."""

import numpy as np
import pytest

from docs.research import theory
from docs.research.residual_identities import View
from npr_jax.residuals.residual import npr_residual


@pytest.mark.parametrize(
    ("factor", "distance"),
    # In a block of 8, 4, 2: the mean of 0..7, 0..3, 0..1; at 3/4 references are 0, 0, 1, 2.
    [("1/8", 3.5), ("1/4", 1.5), ("1/2", 0.5), ("3/4", 0.75)],
)
def test_distance_to_the_reference_pixel(factor, distance):
    assert theory.predict(View("nearest", factor)).distance == distance


@pytest.mark.parametrize(("mode", "factor"), [("nearest", 0.25), ("nearest", 0.75), ("area", 0.5)])
def test_powers_are_those_of_random_images(mode, factor):
    """White noise and 1/f² noise of period 64, drawn and put through the residual."""
    rng = np.random.default_rng(0)
    frequencies = np.fft.fftfreq(theory.SIZE)
    radius = np.hypot(frequencies[:, None], frequencies[None])
    filters = np.divide(1, radius, out=np.zeros_like(radius), where=radius > 0)
    white = rng.normal(size=(400, theory.SIZE, theory.SIZE, 1)).astype(np.float32)
    scenes = np.fft.ifft2(np.fft.fft2(white[..., 0]) * filters).real.astype(np.float32)[..., None]
    for images, expected in zip((scenes, white), theory.powers(mode, factor), strict=True):
        residual = np.asarray(npr_residual(images, factor, mode))
        assert (residual**2).mean() / (images**2).mean() == pytest.approx(expected, rel=0.03)


def test_only_an_eighth_and_smooth_references_add_to_a_quarter():
    adds = {view.name: theory.predict(view).adds for view in (*theory.SCALES, *theory.OTHERS)}
    assert {name for name, dimensions in adds.items() if dimensions} == {
        "nearest 1/8",
        "bilinear 1/2",
        "bicubic 1/2",
    }
