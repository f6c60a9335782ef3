"""Intervals by resampling: scikit-learn's measures, stratified draws, the right coverage."""

import time

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from npr_jax.analysis.statistics import (
    METRICS,
    bootstrap_metric,
    bootstrap_seeds,
    evaluate_metric,
)
from npr_jax.analysis.statistics.bootstrap import resample


def images(count=60, seed=0, digits=None):
    """Labels and logits of photographs and generated images; rounded, they tie."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat([0, 1], [count, count // 2]))
    logits = rng.normal(size=labels.size) + labels
    return labels, logits if digits is None else np.round(logits, digits)


def bootstrap_interval(labels, scores, metric, **options):
    return bootstrap_metric(labels, scores, metric, **options).interval


def bootstrap_difference(labels, scores, others, metric, **options):
    return bootstrap_metric(labels, scores, metric, against=others, **options).interval


def by_sklearn(metric, labels, logits):
    called = logits > 0
    if metric == "ap":
        return metrics.average_precision_score(labels, logits)
    if metric == "auc":
        return metrics.roc_auc_score(labels, logits)
    if metric == "balanced_accuracy":
        return metrics.balanced_accuracy_score(labels, called)
    if metric == "best_accuracy":
        cuts = [-np.inf, *np.unique(logits)]
        return max(metrics.accuracy_score(labels, logits > cut) for cut in cuts)
    kept = {"real_accuracy": labels == 0, "fake_accuracy": labels == 1}.get(metric, labels >= 0)
    return metrics.accuracy_score(labels[kept], called[kept])


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("digits", [None, 0])
def test_measures_of_resamples_are_scikit_learns(metric, digits):
    """The vectorised values of 20 resamples, and those of scikit-learn on the images drawn."""
    labels, logits = images(digits=digits)
    drawn = []

    def remember(resampled_labels, resampled_logits):
        drawn.append((resampled_labels, resampled_logits))
        return 0.0

    resample(labels, [logits], remember, n_resamples=20, seed=3)
    [values] = resample(labels, [logits], metric, n_resamples=20, seed=3)
    np.testing.assert_allclose(values, [by_sklearn(metric, *pair) for pair in drawn], atol=1e-12)
    assert evaluate_metric(labels, logits, metric) == pytest.approx(
        by_sklearn(metric, labels, logits)
    )
    for resampled, _ in drawn:
        assert np.bincount(resampled).tolist() == np.bincount(labels).tolist()
    assert len({tuple(logits) for _, logits in drawn}) == 20


def test_interval_of_an_accuracy_is_the_binomials():
    """Bootstrapping a share draws from a binomial distribution: its quantiles are known."""
    labels, logits = images(400)
    right = int((logits[labels == 0] <= 0).sum())
    expected = stats.binom(400, right / 400).ppf([0.025, 0.975]) / 400
    found = bootstrap_interval(labels, logits, "real accuracy", seed=1)
    np.testing.assert_allclose(found, expected, atol=1.1 / 400)


def test_interval_of_an_area_agrees_with_scipys_bootstrap():
    labels, logits = images(80)

    def area(photographs, generated):
        pairs = generated[..., :, None] - photographs[..., None, :]
        return ((pairs > 0) + 0.5 * (pairs == 0)).mean(axis=(-1, -2))

    result = stats.bootstrap(
        (logits[labels == 0], logits[labels == 1]),
        lambda x, y, axis: area(x, y) if x.ndim > 1 else float(area(x, y)),
        n_resamples=4000,
        method="percentile",
        batch=200,
        rng=np.random.default_rng(0),
    )
    found = bootstrap_interval(labels, logits, "auc", n_resamples=4000)
    np.testing.assert_allclose(found, result.confidence_interval, atol=0.006)


def test_same_seed_same_interval_and_a_function_as_metric():
    labels, logits = images()
    first = bootstrap_interval(labels, logits, "auc", n_resamples=50, seed=7)
    assert first == bootstrap_interval(labels, logits, "auc", n_resamples=50, seed=7)
    assert first != bootstrap_interval(labels, logits, "auc", n_resamples=50, seed=8)
    assert first == pytest.approx(
        bootstrap_interval(labels, logits, metrics.roc_auc_score, n_resamples=50, seed=7)
    )


def test_ten_thousand_resamples_of_thousands_of_images_take_seconds():
    """By processor time: the machine may be shared. One call of scikit-learn takes about 1 ms."""
    labels, logits = images(2000)
    started = time.process_time()
    low, high = bootstrap_interval(labels, logits, "ap", n_resamples=10_000)
    assert time.process_time() - started < 10
    assert low < metrics.average_precision_score(labels, logits) < high


def test_a_difference_on_the_same_images_is_narrower_than_on_others():
    labels, logits = images(200)
    other = logits + 0.1 * np.random.default_rng(1).normal(size=logits.size)
    low, high = bootstrap_difference(labels, logits, other, "auc", n_resamples=500)
    assert low < 0 < high
    single = bootstrap_interval(labels, logits, "auc", n_resamples=500)
    assert high - low < (single[1] - single[0]) / 3
    assert bootstrap_difference(labels, logits, logits, "ap", n_resamples=50) == (0, 0)


def test_intervals_cover_the_truth():
    """Areas of two normal distributions a standard deviation apart: the truth is known."""
    rng = np.random.default_rng(0)
    labels, truth = np.repeat([0, 1], 60), stats.norm.cdf(1 / np.sqrt(2))
    covered = 0
    for number in range(500):
        logits = rng.normal(size=labels.size) + labels
        low, high = bootstrap_interval(labels, logits, "auc", n_resamples=500, seed=number)
        covered += low <= truth <= high
    assert 0.92 <= covered / 500 <= 0.98


@pytest.mark.parametrize(("seeds", "at_least"), [(2, 0.93), (3, 0.93), (5, 0.90), (10, 0.92)])
def test_intervals_over_seeds_cover_the_truth(seeds, at_least):
    rng = np.random.default_rng(0)
    estimates = [
        bootstrap_seeds(rng.normal(size=seeds), n_resamples=500, seed=number)
        for number in range(1000)
    ]
    covered = np.mean([estimate.low <= 0 <= estimate.high for estimate in estimates])
    assert at_least <= covered <= 0.98


def test_mean_and_deviation_over_seeds():
    estimate = bootstrap_seeds([0.90, 0.92, 0.97])
    assert (estimate.mean, estimate.std) == pytest.approx((0.93, 0.0360555), abs=1e-6)
    single = bootstrap_seeds([0.9])
    assert single.mean == 0.9
    assert np.isnan([single.std, *single.interval]).all()


def test_seeds_that_differ_widen_the_interval():
    labels, logits = images(300)
    same = np.stack([logits] * 5)
    apart = same + np.linspace(-1, 1, 5)[:, None] * (2 * labels - 1)
    options = {"n_resamples": 2000}
    alone = bootstrap_interval(labels, logits, "auc", **options)
    together = bootstrap_metric(labels, same, "auc", **options)
    assert together.std == 0
    assert together.high - together.low > 0.99 * (alone[1] - alone[0])
    differing = bootstrap_metric(labels, apart, "auc", **options)
    assert differing.high - differing.low > 2 * (together.high - together.low)
    single = bootstrap_metric(labels, [logits], "auc", **options)
    assert single.interval == pytest.approx(alone)


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_intervals_over_seeds_and_images_cover_the_truth(seeds):
    """Seeds move the generated images' mean by 0.3: the AUC of an average seed is known."""
    rng = np.random.default_rng(seeds)
    labels, sizes = np.repeat([0, 1], 60), stats.norm.ppf((np.arange(2000) + 0.5) / 2000)
    truth = stats.norm.cdf((1 + 0.3 * sizes) / np.sqrt(2)).mean()
    covered = 0
    for number in range(300):
        shifts = 1 + 0.3 * rng.normal(size=(seeds, 1))
        logits = rng.normal(size=labels.size) + shifts * labels
        found = bootstrap_metric(labels, logits, "auc", n_resamples=200, seed=number)
        covered += found.low <= truth <= found.high
    assert 0.89 <= covered / 300 <= 0.98


def test_paired_seeds_of_two_systems():
    """What both share with a seed and an image does not count as noise of their difference."""
    labels, logits = images(300)
    seeds = logits + np.linspace(-1, 1, 5)[:, None] * (2 * labels - 1)
    better = seeds + 0.3 * (2 * labels - 1)
    found = bootstrap_metric(labels, better, "auc", against=seeds, n_resamples=1000)
    areas = [[metrics.roc_auc_score(labels, row) for row in rows] for rows in (better, seeds)]
    np.testing.assert_allclose(found.values, np.subtract(*areas))
    assert 0 < found.low < found.mean < found.high
    with pytest.raises(ValueError, match="as many seeds of both"):
        bootstrap_metric(labels, better, "auc", against=seeds[:2])


@pytest.mark.parametrize(
    ("labels", "scores", "metric", "message"),
    [
        ([0, 1], [0.0, 1.0], "f1", "metric is 'f1'; allowed are accuracy"),
        ([0, 0], [0.0, 1.0], "auc", "auc needs generated images"),
        ([1, 1], [0.0, 1.0], "real_accuracy", "needs photographs"),
        ([0, 2], [0.0, 1.0], "auc", r"labels are \[0, 2\]"),
        ([0, 1], [0.0, np.nan], "auc", "finite"),
        ([0, 1, 1], [0.0, 1.0], "auc", "one of each for every image"),
        ([], [], "auc", "one of each for every image"),
    ],
)
def test_what_cannot_be_computed_is_refused(labels, scores, metric, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_interval(labels, scores, metric)
