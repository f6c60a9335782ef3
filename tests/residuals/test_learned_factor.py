"""Trained factors against the fixed bilinear residual and float64 finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from npr_jax.residuals.learned_factor import LIMITS, clip_factor, host_operator, learned_operator
from npr_jax.residuals.residual import apply_operators, axis_operator, reference_reach


@pytest.mark.parametrize(
    ("length", "factor"),
    [
        (32, 0.25),
        (32, 0.5),
        (32, 0.75),
        (224, 0.25),
        (224, 0.625),
        (33, 1 / 3),
        (40, 0.1),
        (20, 0.95),
    ],
)
def test_equals_mode_bilinear_where_the_small_size_is_whole(length, factor):
    ours = learned_operator(length, jnp.float32(factor))
    expected = axis_operator(length, factor, "bilinear")
    # Positions of up to 224 pixels in float32.
    np.testing.assert_allclose(ours, expected, rtol=0, atol=5e-5)
    with jax.enable_x64(True):
        exact = learned_operator(length, jnp.float64(factor))
    expected = axis_operator(length, factor, "bilinear", dtype=np.float64)
    np.testing.assert_allclose(exact, expected, rtol=0, atol=1e-12)


def test_constants_stay_and_the_operator_changes_continuously():
    with jax.enable_x64(True):
        factors = jnp.linspace(*LIMITS, 4001, dtype=jnp.float64)
        operators = np.asarray(jax.lax.map(lambda f: learned_operator(21, f), factors))
    np.testing.assert_allclose(operators.sum(-1), 1.0, rtol=0, atol=1e-12)
    assert (operators >= 0).all()
    # Positions move by at most length / f^2 per unit of f.
    steps = np.abs(np.diff(operators, axis=0)).max((1, 2)) / np.diff(factors)
    assert (steps < 4 * 21 / np.asarray(factors[:-1]) ** 2).all()


@pytest.mark.parametrize("factor", [0.1037, 0.26, 0.41, 0.51, 0.618, 0.74, 0.91])
def test_the_gradient_equals_finite_differences(factor):
    rng = np.random.default_rng(0)
    with jax.enable_x64(True):
        images = jnp.asarray(rng.normal(size=(2, 20, 27, 3)))
        weights = jnp.asarray(rng.normal(size=(2, 20, 27, 3)))

        def loss(f):
            f = clip_factor(f)
            view = apply_operators(
                images, learned_operator(20, f), learned_operator(27, f), "bilinear"
            )
            return (weights * view**2).sum()

        step = 1e-7
        expected = (loss(factor + step) - loss(factor - step)) / (2 * step)
        assert abs(expected) > 1e-2
        np.testing.assert_allclose(jax.grad(loss)(jnp.float64(factor)), expected, rtol=2e-5)


@pytest.mark.parametrize("factor", [0.25, 0.5, 0.75])
def test_where_the_small_size_is_whole_the_gradient_lies_between_the_two_sides(factor):
    """The last sample reaches a pixel there: the loss has a corner."""
    images = np.random.default_rng(1).normal(size=(1, 20, 24, 3))
    with jax.enable_x64(True):

        def loss(f):
            operators = learned_operator(20, f), learned_operator(24, f)
            return (apply_operators(jnp.asarray(images), *operators, "bilinear") ** 2).sum()

        step = 1e-9
        here = jnp.float64(factor)
        left = (loss(here) - loss(here - step)) / step
        right = (loss(here + step) - loss(here)) / step
        ours = jax.grad(loss)(here)
    low, high = sorted((float(left), float(right)))
    assert high - low > 1, "a corner"
    assert low - 0.1 <= float(ours) <= high + 0.1


def test_clipping_drops_what_pushes_out_and_passes_what_pushes_in():
    low, high = LIMITS
    for factor, gradient, passes in [
        (0.5, 1.0, True),
        (0.5, -1.0, True),
        (low - 0.01, 1.0, False),
        (low - 0.01, -1.0, True),
        (low, 1.0, False),
        (high + 0.5, -1.0, False),
        (high + 0.5, 1.0, True),
        (high, -1.0, False),
    ]:
        value, pullback = jax.vjp(clip_factor, jnp.float32(factor))
        assert low <= np.float64(value) + 1e-7
        assert np.float64(value) <= high + 1e-7
        assert pullback(jnp.float32(gradient))[0] == (gradient if passes else 0.0)


def test_descent_returns_from_beyond_a_limit():
    """The loss is lowest at 0.3: a factor that starts above the highest must get there."""
    factor = jnp.float32(1.2)
    for _ in range(200):
        factor -= 0.1 * jax.grad(lambda f: (clip_factor(f) - 0.3) ** 2)(factor)
    np.testing.assert_allclose(factor, 0.3, atol=1e-3)


@pytest.mark.parametrize("factor", [0.1, 0.237, 0.5, 0.83, 0.95])
def test_the_host_makes_the_same_operator_and_any_window_of_it(factor):
    for length in (33, 150, 257):
        whole = np.asarray(learned_operator(length, jnp.float32(factor)))
        np.testing.assert_allclose(host_operator(length, factor), whole, rtol=0, atol=3e-5)
        reach = reference_reach(length, factor, "bilinear")
        for start, stop in ((0, length), (0, length // 2), (length // 3, length)):
            part = host_operator(length, factor, slice(start, stop))
            first = 0 if start == 0 else start + reach
            last = length if stop == length else stop - reach
            expected = whole[first:last]
            assert np.all(expected[:, :start] == 0)
            assert np.all(expected[:, stop:] == 0)
            np.testing.assert_allclose(
                part[first - start : max(last - start, 0)],
                expected[:, start:stop],
                rtol=0,
                atol=3e-5,  # the spacing of float32 at 257
            )
