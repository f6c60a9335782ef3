"""DDIM against loops in NumPy and against a process whose noise is known in closed form."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from npr_jax.models.diffusion import ddim
from npr_jax.models.diffusion.ddim import alpha_bars, trajectory

SHAPE = (3, 4, 5, 3)


def waving(x, t):
    """A predictor without meaning, of image and time."""
    return jnp.sin(3 * x) + 0.001 * t[:, None, None, None]


def waving_numpy(x, t):
    return np.sin(3 * x) + 0.001 * t


def images(seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, SHAPE)


def numpy_step(x, noise, kept, kept_next, clip):
    """Song et al., equation 12 with sigma = 0, in float64."""
    x0 = (x - np.sqrt(1 - kept) * noise) / np.sqrt(kept)
    if clip:
        x0 = np.clip(x0, -1, 1)
        if kept < 1:
            noise = (x - np.sqrt(kept) * x0) / np.sqrt(1 - kept)
    return np.sqrt(kept_next) * x0 + np.sqrt(1 - kept_next) * noise


@pytest.mark.parametrize("clip", [False, True])
def test_steps_are_those_of_a_loop_in_numpy(clip):
    way = trajectory("linear", 1000, 10)
    times = list(range(0, 1000, 100))
    levels = [1.0, *alpha_bars("linear", 1000)[times]]
    x = images()
    inverted = jax.jit(lambda v: ddim.invert(waving, v, way, clip=clip))(jnp.float32(x))
    for i in range(10):
        # The clean image is shown with the first time step.
        x = numpy_step(x, waving_numpy(x, times[max(i - 1, 0)]), levels[i], levels[i + 1], clip)
    np.testing.assert_allclose(inverted, x, atol=1e-5)
    again = jax.jit(lambda v: ddim.reconstruct(waving, v, way, clip=clip))(jnp.float32(x))
    for i in reversed(range(10)):
        x = numpy_step(x, waving_numpy(x, times[i]), levels[i + 1], levels[i], clip)
    np.testing.assert_allclose(again, x, atol=1e-5 * max(1, np.abs(x).max()))


MEAN, DEVIATION = 0.3, 0.5


def gaussian_predictor(x, t):
    """The exact noise of images that are Gaussian: x_t is Gaussian too, E[noise | x_t] is linear.

    x_t = a x_0 + b e with a = sqrt(alpha_bar), b^2 = 1 - a^2 has mean a m and variance
    a^2 s^2 + b^2, and Cov(e, x_t) = b.
    """
    kept = jnp.asarray(alpha_bars("linear", 1000))[t][:, None, None, None]
    return jnp.sqrt(1 - kept) * (x - jnp.sqrt(kept) * MEAN) / (kept * DEVIATION**2 + 1 - kept)


def gaussian_errors(counts):
    x = np.float32(MEAN + DEVIATION * np.random.default_rng(1).standard_normal(SHAPE))
    for count in counts:
        way = trajectory("linear", 1000, count)
        noise = ddim.invert(gaussian_predictor, x, way, clip=False)
        again = ddim.reconstruct(gaussian_predictor, noise, way, clip=False)
        yield way, x, np.asarray(noise), np.abs(np.asarray(again) - x).max()


def test_reconstruction_returns_the_image_as_steps_grow():
    errors = [error for *_, error in gaussian_errors([10, 50, 200, 1000])]
    assert all(after < before / 2 for before, after in itertools.pairwise(errors))
    assert errors[-1] < 0.01


def test_inversion_of_a_gaussian_is_the_closed_form():
    """The flow keeps the standardised value: z = (x_t - a m) / sqrt(a^2 s^2 + b^2) for all t."""
    [(way, x, noise, _)] = gaussian_errors([1000])
    kept = float(way.signal[-1]) ** 2
    expected = np.sqrt(kept) * MEAN + (x - MEAN) / DEVIATION * np.sqrt(
        kept * DEVIATION**2 + 1 - kept
    )
    np.testing.assert_allclose(noise, expected, atol=0.02)


def test_a_perfect_reconstruction_has_no_error_and_a_predictor_without_noise_none():
    pixels = np.random.default_rng(2).integers(0, 256, SHAPE, np.uint8)
    way = trajectory("linear", 1000, 5)
    assert not np.asarray(ddim.error_map(lambda x, t: 0 * x, pixels, way)).any()


def test_error_map_counts_levels():
    """A predictor that, going back only, shifts the image: the error is its shift in levels."""
    pixels = np.full(SHAPE, 100, np.uint8)
    way = trajectory("linear", 1000, 1)
    shift = 6 / 127.5

    def predictor(x, t):
        # Level 1 to 0: x0 = (x - b e) / a, so e = -a shift / b adds `shift`; the inversion's
        # predictor sees the clean image, whose value is known here.
        clean = jnp.abs(x - ddim.to_signed(jnp.asarray(pixels))) < 1e-7
        return jnp.where(clean, 0.0, -way.signal[1] * shift / way.noise[1])

    error = np.asarray(ddim.error_map(predictor, pixels, way))
    assert error.dtype == np.uint8
    assert (error == 6).all()
