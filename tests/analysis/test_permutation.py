"""Permutation tests: planted structure is found, none is not, and p has its distribution."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from npr_jax.analysis.statistics.permutation import families_cohere, groups_differ, rank_correlation


def weights(rng, centre, count):
    """Softmax weights of three scales around a mean."""
    return rng.dirichlet(60 * np.array(centre), count)


def test_planted_groups_differ_and_shuffled_ones_do_not():
    rng = np.random.default_rng(0)
    centres = ((0.7, 0.2, 0.1), (0.6, 0.3, 0.1), (0.2, 0.2, 0.6))
    values = np.concatenate([weights(rng, centre, 40) for centre in centres])
    names = np.repeat(["a", "b", "c"], 40)
    found = groups_differ(values, names, permutations=499)
    assert found.p_value == found.smallest_p == pytest.approx(1 / 500)
    total = ((values - values.mean(0)) ** 2).sum()
    within = sum(((v - v.mean(0)) ** 2).sum() for v in np.split(values, 3))
    assert found.statistic == pytest.approx(1 - within / total)
    shuffled = groups_differ(values, rng.permutation(names), permutations=499)
    assert shuffled.p_value > 0.05


def test_false_positives_of_groups_are_at_their_level():
    rng = np.random.default_rng(1)
    names = np.repeat(["a", "b", "c"], 8)
    p = [
        groups_differ(rng.dirichlet((1, 2, 3), 24), names, permutations=99).p_value
        for _ in range(300)
    ]
    # 300 draws at 0.05: 99.9 % of such counts are below 31.
    assert np.mean(np.array(p) <= 0.05) < 31 / 300


def test_planted_families_cohere():
    rng = np.random.default_rng(2)
    families = np.array(["gan"] * 4 + ["diffusion"] * 3)
    means = np.concatenate([weights(rng, (0.8, 0.1, 0.1), 4), weights(rng, (0.1, 0.1, 0.8), 3)])
    found = families_cohere(means, families)
    # 35 ways to deal 7 members to families of 4 and 3, one of them this one.
    assert (found.exact, found.permutations) == (True, 35)
    assert found.p_value == found.smallest_p == pytest.approx(1 / 35)
    apart = families_cohere(means, np.array(["x", "y", "x", "y", "x", "y", "x"]))
    assert apart.p_value > 0.05


def test_families_of_one_size_halve_what_p_can_reach():
    means = np.array([[0.0], [0.1], [1.0], [1.1]])
    found = families_cohere(means, np.array(["a", "a", "b", "b"]))
    assert found.p_value == found.smallest_p == pytest.approx(2 / 6)
    assert not found.can_reject
    within, between = 0.1, 1.0
    assert found.statistic == pytest.approx(between - within)


def test_exact_test_is_the_loop_over_all_assignments():
    rng = np.random.default_rng(3)
    means = rng.dirichlet((1, 1, 1), 6)
    families = np.array(["a", "b", "a", "b", "c", "a"])

    def statistic(names):
        pairs = list(itertools.combinations(range(6), 2))
        distances = {pair: math.dist(means[pair[0]], means[pair[1]]) for pair in pairs}
        same = [d for (i, j), d in distances.items() if names[i] == names[j]]
        other = [d for (i, j), d in distances.items() if names[i] != names[j]]
        return np.mean(other) - np.mean(same)

    every = set(itertools.permutations(families))
    as_much = [statistic(names) >= statistic(families) - 1e-12 for names in every]
    found = families_cohere(means, families)
    assert found.permutations == len(every) == 60
    assert found.p_value == pytest.approx(np.mean(as_much))


def test_nothing_to_compare_is_said():
    with pytest.raises(ValueError, match="two families"):
        families_cohere(np.eye(3), np.array(["a", "b", "c"]))
    with pytest.raises(ValueError, match="two families"):
        families_cohere(np.eye(3), np.array(["a", "a", "a"]))
    with pytest.raises(ValueError, match="one group only"):
        groups_differ(np.eye(3), np.array(["a", "a", "a"]))


@pytest.mark.parametrize("count", [5, 12])
def test_rank_correlation_against_scipy(count):
    rng = np.random.default_rng(count)
    x = rng.normal(size=count)
    y = x + rng.normal(size=count)
    y[1] = y[0]
    expected = stats.permutation_test(
        (x,),
        lambda a: stats.spearmanr(a, y).statistic,
        permutation_type="pairings",
        n_resamples=2000 if count > 7 else np.inf,
        rng=0,
    )
    found = rank_correlation(x, y)
    assert found.statistic == pytest.approx(stats.spearmanr(x, y).statistic)
    assert found.exact == (count == 5)
    assert found.p_value == pytest.approx(expected.pvalue, abs=1e-9 if count == 5 else 0.05)


def test_rank_correlation_of_a_constant_says_nothing():
    found = rank_correlation(np.ones(5), np.arange(5.0))
    assert math.isnan(found.statistic)
    assert found.p_value == 1.0
