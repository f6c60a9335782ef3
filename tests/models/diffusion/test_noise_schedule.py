"""Noise schedules and the steps of a sampler."""

import math

import numpy as np
import pytest

from npr_jax.models.diffusion.ddim import (
    alpha_bars,
    betas,
    respaced_timesteps,
    trajectory,
)


def test_linear_schedule_is_that_of_ho_et_al():
    values = betas("linear", 1000)
    assert values[0] == pytest.approx(1e-4)
    assert values[-1] == pytest.approx(0.02)
    assert np.diff(values) == pytest.approx(np.full(999, (0.02 - 1e-4) / 999))
    # The product of 1 - beta, multiplied out here.
    kept = 1.0
    for i in range(1000):
        kept *= 1 - (1e-4 + i * (0.02 - 1e-4) / 999)
    assert alpha_bars("linear", 1000)[-1] == pytest.approx(kept, rel=1e-9)
    assert kept == pytest.approx(4.04e-5, rel=1e-2)  # as commonly reported


def test_fewer_steps_end_at_a_similar_noise_level():
    assert math.log(alpha_bars("linear", 100)[-1]) == pytest.approx(math.log(4.04e-5), rel=0.1)


def test_cosine_schedule_follows_its_formula():
    kept = alpha_bars("cosine", 1000)

    def f(t):
        return math.cos((t / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2

    for t in (0, 1, 499, 900):
        assert kept[t] == pytest.approx(f(t + 1) / f(0), rel=1e-9)
    assert betas("cosine", 1000).max() == 0.999


@pytest.mark.parametrize(
    ("steps", "count", "expected"),
    [
        (1000, 20, list(range(0, 1000, 50))),
        (1000, 1, [0]),
        (10, 10, list(range(10))),
        (10, 4, [0, 2, 5, 7]),
    ],
)
def test_respaced_timesteps(steps, count, expected):
    assert respaced_timesteps(steps, count).tolist() == expected


def test_trajectory_begins_clean():
    way = trajectory("linear", 1000, 20)
    assert (way.signal[0], way.noise[0]) == (1, 0)
    np.testing.assert_allclose(way.signal**2 + way.noise**2, 1, atol=1e-6)
    assert way.noise[1] == pytest.approx(0.01, rel=1e-6)  # sqrt(beta_0), which float32 would lose
    assert len(way.timesteps) == 20


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: betas("sigmoid", 1000), "linear, cosine"),
        (lambda: betas("linear", 5), "at least 20"),
        (lambda: respaced_timesteps(1000, 0), "1 to 1000"),
        (lambda: respaced_timesteps(1000, 1001), "1 to 1000"),
    ],
)
def test_what_cannot_be_used_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
