"""Separation within groups: against scipy in one group, blind to the groups' levels in several."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from npr_jax.analysis.statistics.within_groups import separations


def test_one_group_is_mann_whitneys_test():
    rng = np.random.default_rng(0)
    outcome = rng.random(80) < 0.3
    values = np.round(rng.normal(size=80) + 0.5 * outcome, 1)  # with ties
    [found] = separations(outcome, {"x": values}, np.zeros(80))
    expected = stats.mannwhitneyu(
        values[outcome], values[~outcome], method="asymptotic", use_continuity=False
    )
    assert found.auc == pytest.approx(roc_auc_score(outcome, values))
    assert found.p_value == pytest.approx(expected.pvalue)
    assert (found.n_with, found.n_without, found.n_groups) == (outcome.sum(), (~outcome).sum(), 1)
    assert found.low < found.auc < found.high


def test_levels_of_groups_do_not_count():
    """Between groups the number predicts the outcome perfectly, within them not at all."""
    rng = np.random.default_rng(1)
    groups = np.repeat([0, 1], 300)
    outcome = rng.random(600) < np.where(groups, 0.9, 0.1)
    values = rng.normal(size=600) + 20 * groups
    assert roc_auc_score(outcome, values) > 0.85
    [found] = separations(outcome, {"x": values}, groups)
    assert found.low < 0.5 < found.high
    assert found.p_value > 0.05


def test_a_planted_number_is_found_in_every_group():
    rng = np.random.default_rng(2)
    groups = np.repeat([0, 1, 2], 100)
    outcome = rng.random(600 // 2) < 0.4
    values = rng.normal(size=300) + outcome - 5 * groups
    [found] = separations(outcome, {"x": values}, groups)
    pairs = [outcome[groups == g].sum() * (~outcome[groups == g]).sum() for g in range(3)]
    aucs = [roc_auc_score(outcome[groups == g], values[groups == g]) for g in range(3)]
    assert found.auc == pytest.approx(np.average(aucs, weights=pairs))
    assert found.p_value < 1e-6
    assert found.low > 0.6


def test_interval_covers_at_its_rate():
    rng = np.random.default_rng(3)
    truth = stats.norm.cdf(0.7 / np.sqrt(2))
    covered = 0
    for trial in range(100):
        outcome = np.arange(120) % 2 == 0
        values = rng.normal(size=120) + 0.7 * outcome
        [found] = separations(outcome, {"x": values}, np.arange(120) // 60, seed=trial)
        covered += found.low <= truth <= found.high
    # 100 draws at 0.95: 99.9 % of such counts are above 87.
    assert covered > 87


def test_what_cannot_be_compared_has_no_row():
    outcome = np.array([True] * 4 + [False] * 40)
    numbers = {"few": np.arange(44.0)}
    assert separations(outcome, numbers, np.zeros(44)) == []
    outcome = np.arange(40) % 2 == 0
    numbers = {"constant": np.ones(40), "missing": np.full(40, np.nan), "x": np.arange(40.0)}
    assert [row.name for row in separations(outcome, numbers, np.zeros(40))] == ["x"]
