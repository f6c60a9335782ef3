"""The shift of logits, in standard deviations of those before."""

import numpy as np
import pytest

from npr_jax.evaluation.logit_shift import logit_shift


def test_a_shift_has_the_units_of_the_spread():
    before = np.array([-1.0, 0.0, 1.0, 4.0], np.float32)
    shift = logit_shift(before, before + np.float32(0.5))
    assert shift.mean == pytest.approx(0.5 / np.std([-1, 0, 1, 4], ddof=1))
    assert shift.root_mean_square == pytest.approx(shift.mean)
    scaled = logit_shift(7 * before, 7 * before + 3.5)
    assert scaled == pytest.approx(shift, rel=1e-6)


def test_shifts_of_either_sign_cancel_in_the_mean_alone():
    before = np.array([-1.0, 1.0, -1.0, 1.0])
    shift = logit_shift(before, before + np.array([1, -1, -1, 1]))
    assert shift.mean == 0
    assert shift.root_mean_square == pytest.approx(1 / np.std(before, ddof=1))


def test_images_without_a_score_are_left_out():
    before, after = np.array([0.0, 2.0, 5.0]), np.array([1.0, 3.0, np.nan])
    assert logit_shift(before, after).mean == pytest.approx(1 / np.sqrt(2))
    assert logit_shift(before[:1], after[:1]) is None
    assert logit_shift(np.ones(3), np.zeros(3)) is None
