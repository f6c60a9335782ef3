"""Tests on pairs against scipy, statsmodels and plain counting, and under the null."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as peer_mcnemar
from statsmodels.stats.multitest import multipletests

from npr_jax.analysis.statistics import holm, mcnemar, paired_t, wilcoxon

NULLS = 10_000


def verdicts(only_a, only_b, both=5, neither=3):
    """Labels and logits of two systems with so many images right by one, by both, by none."""
    right = np.repeat([[1, 0], [0, 1], [1, 1], [0, 0]], [only_a, only_b, both, neither], axis=0)
    labels = np.arange(len(right)) % 2
    a, b = ((2 * right - 1) * (2 * labels[:, None] - 1)).T
    return labels, a, b


@pytest.mark.parametrize("counts", [(5, 1), (0, 6), (12, 30), (3, 3), (1, 0), (200, 150)])
def test_mcnemar_against_statsmodels_and_plain_counting(counts):
    only_a, only_b = counts
    result = mcnemar(*verdicts(only_a, only_b))
    n = only_a + only_b
    assert result.n == n
    assert result.p_value == pytest.approx(
        peer_mcnemar([[5, only_a], [only_b, 3]], exact=True).pvalue
    )
    tail = sum(math.comb(n, k) for k in range(min(counts) + 1)) / 2**n
    assert result.p_value == pytest.approx(min(1.0, 2 * tail))
    assert result.effect == (only_a / only_b if only_b else math.inf)
    assert result.low <= result.effect <= result.high


def test_mcnemar_says_the_smallest_p_that_its_images_allow():
    for n in range(1, 12):
        least = min(mcnemar(*verdicts(k, n - k)).p_value for k in range(n + 1))
        assert mcnemar(*verdicts(n, 0)).smallest_p == pytest.approx(least)
    assert not mcnemar(*verdicts(5, 0)).can_reject  # 0.0625
    assert mcnemar(*verdicts(6, 0)).can_reject  # 0.03125
    alike = mcnemar(*verdicts(0, 0))
    assert (alike.p_value, alike.smallest_p, alike.n) == (1, 1, 0)


@pytest.mark.parametrize("discordant", [6, 12, 40, 300])
def test_mcnemar_is_never_above_its_level(discordant):
    only_a = np.random.default_rng(discordant).binomial(discordant, 0.5, NULLS)
    p_of = {k: mcnemar(*verdicts(k, discordant - k)).p_value for k in set(only_a.tolist())}
    assert np.mean([p_of[k] < 0.05 for k in only_a.tolist()]) <= 0.06


def test_paired_t_against_scipy():
    a, b = np.random.default_rng(0).normal(size=(2, 9))
    result, peer = paired_t(a, b), stats.ttest_rel(a, b)
    assert (result.statistic, result.p_value) == pytest.approx((peer.statistic, peer.pvalue))
    assert (result.low, result.high) == pytest.approx(tuple(peer.confidence_interval()))
    difference = a - b
    assert result.effect == pytest.approx(difference.mean() / difference.std(ddof=1))
    assert result.smallest_p == 0


def test_paired_t_of_student_1908():
    """Student's own example: hours of sleep gained with two drugs; t = 4.06, p = 0.00283."""
    first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    result = paired_t(second, first)
    assert (result.statistic, result.p_value) == pytest.approx((4.0621, 0.002833), abs=1e-4)


def test_paired_t_under_the_null():
    a, b = np.random.default_rng(0).normal(size=(2, NULLS, 5))
    rejected = np.mean([paired_t(x, y).p_value < 0.05 for x, y in zip(a, b, strict=True)])
    assert 0.04 <= rejected <= 0.06


def test_differences_without_any_spread():
    assert paired_t([0.5, 0.6, 0.7], [0.5, 0.6, 0.7]).p_value == 1
    ahead = paired_t([0.5, 0.6, 0.7], [0.4, 0.5, 0.6])
    assert (ahead.p_value, ahead.statistic) == (0, math.inf)
    alike = wilcoxon([0.5, 0.6], [0.5, 0.6])
    assert (alike.p_value, alike.smallest_p, alike.n) == (1, 1, 0)


def by_counting(difference):
    """Share of all sign patterns whose rank sum lies as far from the middle as the one seen."""
    difference = [d for d in difference if d]
    ranks = stats.rankdata(np.abs(difference))
    seen = sum(r for r, d in zip(ranks, difference, strict=True) if d > 0)
    patterns = itertools.product((0, 1), repeat=len(ranks))
    sums = np.array([sum(r for r, s in zip(ranks, signs, strict=True) if s) for signs in patterns])
    middle = sum(ranks) / 2
    return np.mean(np.abs(sums - middle) >= abs(seen - middle) - 1e-9)


@pytest.mark.parametrize(
    "difference",
    [
        [1.5, -0.4, 2.0, 0.7, 3.1],
        [1.0, -1.0, 2.0, 2.0, -3.0, 4.0],  # ties
        [0.0, 1.0, 2.0, -0.5],  # no difference in one pair
        [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7],
    ],
)
def test_wilcoxon_against_all_signs(difference):
    result = wilcoxon(difference, np.zeros(len(difference)))
    assert result.p_value == pytest.approx(by_counting(difference))
    ranks = stats.rankdata(np.abs([d for d in difference if d]))
    signs = np.sign([d for d in difference if d])
    assert result.effect == pytest.approx((ranks * signs).sum() / ranks.sum())


def test_wilcoxon_against_scipy():
    rng = np.random.default_rng(0)
    for n in (8, 30, 80):
        a, b = rng.normal(size=(2, n))
        assert wilcoxon(a, b).p_value == pytest.approx(stats.wilcoxon(a, b).pvalue)
    assert wilcoxon(a, b).smallest_p == 0  # 80 pairs: the normal approximation


def test_equal_differences_tie_whatever_binary_makes_of_them():
    """0.3 - 0.2 and 0.2 - 0.1 differ in binary and are the same difference."""
    result = wilcoxon([0.3, 0.2, 0.9], [0.2, 0.1, 0.4])
    assert result.p_value == pytest.approx(by_counting([0.1, 0.1, 0.5]))


def test_five_generators_can_never_reach_the_level():
    best = wilcoxon([2, 3, 4, 5, 6], [1, 1, 1, 1, 1])
    assert best.p_value == best.smallest_p == 0.0625
    assert not best.can_reject
    six = wilcoxon([2, 3, 4, 5, 6, 7], [1] * 6)
    assert six.p_value == six.smallest_p == 0.03125
    assert six.can_reject


@pytest.mark.parametrize("n", [6, 8])
def test_wilcoxon_is_never_above_its_level(n):
    """The p depends on the signs of the ranks alone: every pattern is looked up once."""
    difference = np.random.default_rng(n).normal(size=(NULLS, n))
    order = np.argsort(np.abs(difference), axis=1)
    positive = np.take_along_axis(difference > 0, order, axis=1)
    weights = np.arange(1, n + 1)
    codes, counts = np.unique(positive, axis=0, return_counts=True)
    p = [wilcoxon(weights * (2 * code.astype(int) - 1), np.zeros(n)).p_value for code in codes]
    assert counts[np.array(p) < 0.05].sum() / NULLS <= 0.06


@pytest.mark.slow
def test_wilcoxon_of_many_pairs_under_the_null():
    difference = np.random.default_rng(0).normal(size=(NULLS, 60))
    rejected = np.mean([wilcoxon(row, np.zeros(60)).p_value < 0.05 for row in difference])
    assert 0.04 <= rejected <= 0.06


def test_holm_against_statsmodels():
    rng = np.random.default_rng(0)
    for n in (1, 2, 7, 20):
        p = rng.uniform(size=n) ** 3
        np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1])
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([0.1, 1.2])


def test_holm_keeps_the_chance_of_any_false_rejection():
    p = np.random.default_rng(0).uniform(size=(NULLS, 5))
    assert np.mean([min(holm(row)) < 0.05 for row in p]) <= 0.06
    assert np.mean((p < 0.05).any(axis=1)) > 0.2  # without it


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [([1], [2], "two values or more"), ([1, 2], [1], "same"), ([1, math.nan], [1, 2], "missing")],
)
def test_pairs_that_cannot_be_compared_are_refused(a, b, message):
    for test in (paired_t, wilcoxon):
        with pytest.raises(ValueError, match=message):
            test(a, b)
