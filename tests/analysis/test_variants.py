"""Variants of a sweep beside each other: numbers against numpy and scipy, words against numbers."""

import numpy as np
import pytest
from scipy import stats

from npr_jax.analysis.statistics import (
    compare_variants,
    compare_with_baseline,
    holm,
    paired_t,
    seed_summary,
    sentence,
    wilcoxon,
)
from npr_jax.analysis.statistics.variants import adjust_together
from npr_jax.sweep.table import read_table

GENERATORS = ("fir", "nearest", "unet", "shuffle", "vae", "cyclegan")


def rows_of(**variants):
    """Rows of runs.csv: each variant is an array [seeds, generators] of its AP."""
    return [
        {"variant": name, "seed": seed, "generator": generator, "kind": "unseen", "ap": value}
        for name, grid in variants.items()
        for seed, values in enumerate(grid)
        for generator, value in zip(GENERATORS, values, strict=False)
    ]


@pytest.fixture(scope="module")
def grids():
    rng = np.random.default_rng(0)
    base = 0.9 + 0.01 * rng.normal(size=(5, 6))
    return {
        "base": base,
        "better": base + 0.05 + 0.005 * rng.normal(size=(5, 6)),
        "same": base + 0.01 * rng.normal(size=(5, 6)),
    }


def test_a_comparison_is_numpys_and_scipys(grids):
    found = compare_variants(rows_of(**grids), "better", "base")
    a, b = grids["better"], grids["base"]
    assert (found.seeds, found.generators) == (tuple(range(5)), GENERATORS)
    assert (found.mean_a, found.mean_b) == pytest.approx((a.mean(), b.mean()))
    np.testing.assert_allclose(found.difference.values, (a - b).mean(axis=1))
    for name, axis in (("seeds", 1), ("generators", 0)):
        means = a.mean(axis=axis), b.mean(axis=axis)
        assert found.tests[f"t_{name}"].p_value == pytest.approx(stats.ttest_rel(*means).pvalue)
        signed = stats.wilcoxon(*means).pvalue
        assert found.tests[f"wilcoxon_{name}"].p_value == pytest.approx(signed)
    assert found.tests["wilcoxon_seeds"].smallest_p == 0.0625
    np.testing.assert_allclose(found.gaps, a - b)


def test_generators_are_compared_one_by_one(grids):
    single = [
        compare_variants(
            [row for row in rows_of(**grids) if row["generator"] == name], "better", "base"
        )
        for name in GENERATORS
    ]
    columns = zip(grids["better"].T, grids["base"].T, strict=True)
    expected = [stats.ttest_rel(x, y).pvalue for x, y in columns]
    np.testing.assert_allclose([one.adjusted_p for one in single], expected)
    together = [one.adjusted_p for one in adjust_together(single)]
    np.testing.assert_allclose(together, holm(expected))


def test_what_is_more_than_noise_is_said_and_what_is_not(grids):
    better, same = compare_with_baseline(rows_of(**grids), "base")
    assert better.beyond_noise
    points = 100 * (grids["better"] - grids["base"]).mean()
    assert f"better is ahead by {points:.1f} points, more than noise" in better.sentence
    assert "AP, mean over 6 unseen generators and 5 seeds" in better.sentence
    assert "n = 6" in better.sentence
    assert not same.beyond_noise
    assert "lies within noise" in same.sentence
    back = compare_variants(rows_of(**grids), "base", "better")
    assert f"base is behind by {points:.1f} points" in back.sentence


def test_p_values_are_adjusted_for_the_variants_compared(grids):
    rows = rows_of(**grids)
    together = compare_with_baseline(rows, "base")
    alone = [compare_variants(rows, name, "base") for name in ("better", "same")]
    expected = holm([comparison.tests["t_seeds"].p_value for comparison in alone])
    assert [comparison.adjusted_p for comparison in together] == pytest.approx(expected)
    many = rows_of(
        base=grids["base"],
        slight=grids["base"] + np.linspace(0.001, 0.02, 5)[:, None],
        **{f"same{n}": grids["same"] for n in range(8)},
    )
    slight = compare_with_baseline(many, "base")[0]
    assert slight.tests["t_seeds"].p_value < 0.05 < slight.adjusted_p
    assert "within noise once the other comparisons are allowed for" in slight.sentence


def test_what_one_of_two_lacks_is_left_out_of_both(grids):
    rows = rows_of(**grids)
    kept = [r for r in rows if (r["variant"], r["generator"]) != ("better", "unet")]
    kept = [r for r in kept if (r["variant"], r["seed"]) != ("base", 3)]
    found = compare_variants(kept, "better", "base")
    assert "unet" not in found.generators
    assert found.seeds == (0, 1, 2, 4)
    columns = [index for index, name in enumerate(GENERATORS) if name != "unet"]
    expected = grids["base"][np.ix_([0, 1, 2, 4], columns)].mean()
    assert found.mean_b == pytest.approx(expected)


def test_one_seed_is_compared_over_generators(grids):
    one = {name: grid[:1] for name, grid in grids.items()}
    found = compare_variants(rows_of(**one), "better", "base")
    assert found.decides.n == 6
    peer = stats.ttest_rel(one["better"][0], one["base"][0])
    assert found.interval == pytest.approx(tuple(peer.confidence_interval()))
    pair = {name: grid[:1, :1] for name, grid in grids.items()}
    assert "one pair alone" in compare_variants(rows_of(**pair), "better", "base").sentence


def test_a_summary_over_seeds(grids):
    summary = {(s.variant, s.generator): s for s in seed_summary(rows_of(**grids))}
    assert len(summary) == 3 * 7
    mean = summary["same", "mean"]
    assert mean.n_generators == 6
    expected = grids["same"].mean(axis=1)
    assert mean.estimate.mean == pytest.approx(expected.mean())
    assert mean.estimate.std == pytest.approx(expected.std(ddof=1))
    assert summary["same", "unet"].estimate.mean == pytest.approx(grids["same"][:, 2].mean())


def test_the_committed_table_can_be_compared(root):
    rows = read_table(root / "docs" / "results" / "scales.csv")
    found = compare_variants(rows, "0.5+0.5+0.5", "0.5", "real_accuracy")
    assert len(found.seeds) == 5
    assert len(found.generators) == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("no", "base"), "no variant 'no'; there are base, better, same"),
        (("better", "base", "f1"), "measure is 'f1'; the table has the columns variant, seed"),
    ],
)
def test_what_is_not_in_the_table_is_named(grids, arguments, message):
    with pytest.raises(ValueError, match=message):
        compare_variants(rows_of(**grids), *arguments)
    with pytest.raises(ValueError, match="there are the kinds unseen"):
        compare_variants(rows_of(**grids), "better", "base", kind="control")


def test_a_test_that_cannot_reject_says_so():
    test = wilcoxon([0.9, 0.8, 0.95, 0.7, 0.85], [0.1] * 5)
    said = sentence("AP", "a", "b", 0.84, 0.1, (0.5, 0.9), test)
    assert "smallest possible p = 0.062" in said
    assert "This test cannot reach p < 0.05 with 5 pairs, whatever the difference" in said
    assert "within noise" in said


def test_a_difference_and_its_sign_in_words():
    test = paired_t([0.9, 0.8, 0.85], [0.95, 0.86, 0.9])
    said = sentence("accuracy", "a", "b", 0.85, 0.9033, (test.low, test.high), test)
    assert said.startswith("accuracy: a 85.0 %, b 90.3 %; a is behind by 5.3 points")
    assert "Cohen's d −" in said
