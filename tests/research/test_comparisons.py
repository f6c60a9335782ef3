"""Comparisons in points, against scipy on the numbers themselves."""

import numpy as np
import pytest
from scipy import stats

from docs.research import comparisons
from docs.research.result_table import ResultTable
from tests.research import sweeps

UNSEEN = ("fir_conv", "unet", "ldm_vae")
A = np.array([[0.9, 0.7, 0.8], [0.92, 0.74, 0.79], [0.91, 0.69, 0.84], [0.95, 0.71, 0.83]])
B = np.array([[0.8, 0.71, 0.7], [0.85, 0.7, 0.75], [0.8, 0.69, 0.72], [0.86, 0.66, 0.8]])


def two(seeds_of_b=(0, 1, 2, 3)):
    rows = [
        sweeps.row(variant, seed, generator, values[seed, place])
        for variant, values, seeds in (("a", A, range(4)), ("b", B, seeds_of_b))
        for seed in seeds
        for place, generator in enumerate(UNSEEN)
    ]
    return ResultTable("scales", rows)


def test_a_pair_is_the_paired_t_test_over_seeds():
    found = comparisons.pair(two(), "a", "b", UNSEEN)
    expected = stats.ttest_rel(A.mean(axis=1), B.mean(axis=1))
    assert found.name == "a − b"
    assert found.gain == pytest.approx(100 * (A - B).mean())
    np.testing.assert_allclose(found.by_generator, 100 * (A - B).mean(axis=0))
    assert found.p_value == pytest.approx(expected.pvalue)
    over_generators = stats.wilcoxon((A - B).mean(axis=0), method="exact")
    assert found.p_generators == pytest.approx(over_generators.pvalue)
    assert found.low < found.gain < found.high


def test_only_the_generators_asked_for_count():
    found = comparisons.pair(two(), "a", "b", ["unet"])
    assert found.gain == pytest.approx(100 * (A - B)[:, 1].mean())
    assert np.isnan(found.p_generators)


def test_only_common_seeds_are_compared():
    found = comparisons.pair(two(seeds_of_b=(1, 3)), "a", "b", UNSEEN)
    np.testing.assert_allclose(found.by_seed, 100 * (A - B).mean(axis=1)[[1, 3]])


def test_one_seed_gives_a_difference_but_no_verdict():
    found = comparisons.pair(two(seeds_of_b=(2,)), "a", "b", UNSEEN)
    assert found.gain == pytest.approx(100 * (A - B)[2].mean())
    assert not found.measured
    assert not found.holds
    assert not comparisons.pair(two(seeds_of_b=()), "a", "b", UNSEEN).by_seed.size


def test_a_contrast_is_the_difference_of_differences():
    first, second = (comparisons.pair(two(), "a", "b", [name]) for name in UNSEEN[:2])
    found = comparisons.contrast("both", first, second)
    gaps = 100 * ((A - B)[:, 0] - (A - B)[:, 1])
    assert found.gain == pytest.approx(gaps.mean())
    assert found.p_value == pytest.approx(stats.ttest_1samp(gaps, 0).pvalue)


def test_holm_counts_only_what_was_measured():
    pairs = [comparisons.pair(two(), "a", "b", [name]) for name in UNSEEN]
    unmeasured = comparisons.pair(two(seeds_of_b=(2,)), "a", "b", UNSEEN)
    found = comparisons.corrected([*pairs, unmeasured])
    raw = sorted(each.p_value for each in pairs)
    steps = np.minimum(np.maximum.accumulate([3 * raw[0], 2 * raw[1], raw[2]]), 1)
    assert sorted(each.p_value for each in found[:3]) == pytest.approx(list(steps))
    assert np.isnan(found[3].p_value)
