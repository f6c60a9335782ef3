"""Intervals by resampling: over images, over seeds, over both.

Images are drawn with replacement within each class (stratified), so that every resample has as many
photographs and generated images as the sample. All systems or seeds that were scored on the same
images are given the same draws, which is what makes an interval of their difference honest. The
work is vectorised over resamples and done in blocks of bounded memory.

Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 6 and 13 (percentile
interval); Hesterberg, What Teachers Should Know About the Bootstrap, The American Statistician
69(4), 2015, section 3.3 (the wider quantiles for few seeds).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from npr_jax.analysis.columns import check_columns

Metric = str | Callable[[np.ndarray, np.ndarray], float]

N_RESAMPLES = 10_000
_BLOCK = 1 << 21  # counts held at a time


def bootstrap_interval(
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    metric: Metric,
    *,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    confidence: float = 0.95,
    threshold: float = 0.0,
) -> tuple[float, float]:
    """Percentile interval of a measure over images, stratified by class.

    A measure that is perfect on the sample stays perfect in every resample: the interval of 500
    right out of 500 is [1, 1], which says less than Wilson's (``npr_jax.measures.wilson``).

    Args:
        labels: [n], 1 generated, 0 photograph.
        scores: [n], the higher the more likely generated; logits, unless `threshold` says else.
        metric: "accuracy", "real_accuracy", "fake_accuracy", "balanced_accuracy",
            "best_accuracy" (at the threshold that suits each resample best), "ap" or "auc"; or a
            function of (labels, scores), which is called for every resample and takes as long.
        n_resamples: 10,000 take seconds for some thousands of images.
        seed: same seed, same interval.
        confidence: of the interval.
        threshold: a score above it is called generated; only for accuracies.

    Returns:
        (low, high).

    Raises:
        ValueError: an unknown metric, a class without images that the metric needs, labels other
            than 0 and 1, scores that are not finite or of another length.
    """
    samples = resample(
        labels, [scores], metric, n_resamples=n_resamples, seed=seed, threshold=threshold
    )
    return percentile_interval(samples[0], confidence)


def bootstrap_difference(
    labels: npt.ArrayLike,
    scores_a: npt.ArrayLike,
    scores_b: npt.ArrayLike,
    metric: Metric,
    *,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    confidence: float = 0.95,
    threshold: float = 0.0,
) -> tuple[float, float]:
    """Interval of metric(a) - metric(b), both on the same images; see ``bootstrap_interval``."""
    samples = resample(
        labels,
        [scores_a, scores_b],
        metric,
        n_resamples=n_resamples,
        seed=seed,
        threshold=threshold,
    )
    return percentile_interval(samples[0] - samples[1], confidence)


@dataclasses.dataclass(frozen=True)
class SeedsEstimate:
    """A measure over several seeds.

    Attributes:
        values: float [s], one per seed.
        mean: of the values.
        std: with s - 1 in the denominator; nan for one seed.
        low, high: the interval of the mean.
    """

    values: tuple[float, ...]
    mean: float
    std: float
    low: float
    high: float

    @property
    def interval(self) -> tuple[float, float]:
        """(low, high)."""
        return self.low, self.high


def bootstrap_seeds_and_images(
    labels: npt.ArrayLike,
    scores: npt.ArrayLike,
    metric: Metric,
    *,
    against: npt.ArrayLike | None = None,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    confidence: float = 0.95,
    threshold: float = 0.0,
) -> SeedsEstimate:
    """Mean over seeds, with an interval for other seeds and other images of the same kind.

    Seeds and images are drawn independently of each other, as all seeds saw the same images. With
    s seeds the quantiles are those of the expanded percentile interval (Hesterberg 2015), because
    resampling a few values gives intervals that are too narrow. With one seed images alone are
    drawn, and the interval says nothing of other seeds.

    Args:
        labels: [n].
        scores: [s, n], one row per seed.
        metric: as for ``bootstrap_interval``.
        against: [s, n] of another system, its seeds in the same order: everything is then of the
            difference, `scores` minus `against`.
        n_resamples, seed, confidence, threshold: as for ``bootstrap_interval``.

    Raises:
        ValueError: see ``bootstrap_interval``; and if `against` has another shape.
    """
    rows = np.atleast_2d(np.asarray(scores, np.float64))
    stacked = [rows]
    if against is not None:
        stacked.append(np.atleast_2d(np.asarray(against, np.float64)))
        if stacked[1].shape != rows.shape:
            raise ValueError(
                f"scores are {rows.shape} and those against them {stacked[1].shape} (seeds, "
                "images); give as many seeds of both, on the same images"
            )
    everything = np.concatenate(stacked)
    samples = resample(
        labels, everything, metric, n_resamples=n_resamples, seed=seed, threshold=threshold
    )
    values = np.array([evaluate_metric(labels, row, metric, threshold) for row in everything])
    seeds = len(rows)
    if against is not None:
        samples, values = samples[:seeds] - samples[seeds:], values[:seeds] - values[seeds:]
    return _estimate(values, *interval_over_seeds(samples, seed=seed, confidence=confidence))


def interval_over_seeds(
    samples: np.ndarray, *, seed: int = 0, confidence: float = 0.95
) -> tuple[float, float]:
    """Interval of the mean over seeds from each seed's values on resampled images.

    Args:
        samples: float [s, b], of ``resample``.
        seed: that drew the images; seeds are drawn from another stream of it.
        confidence: of the interval, see ``bootstrap_seeds_and_images``.

    Returns:
        (low, high).
    """
    seeds, n_resamples = samples.shape
    rng = np.random.default_rng([seed, 1])
    drawn = rng.integers(0, seeds, (n_resamples, seeds))
    means = samples[drawn, np.arange(n_resamples)[:, None]].mean(axis=1)
    return _quantiles(means, *_expanded(confidence, seeds))


def bootstrap_seeds(
    values: npt.ArrayLike,
    *,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    confidence: float = 0.95,
) -> SeedsEstimate:
    """Mean over seeds of one number each, with its expanded percentile interval.

    For where no scores are at hand, as in ``runs.csv``. The interval is for other seeds, on the
    same images. With one seed there is none (nan).

    Raises:
        ValueError: there are no values, or one is not finite.
    """
    numbers = np.asarray(values, np.float64).reshape(-1)
    if not numbers.size or not np.isfinite(numbers).all():
        raise ValueError(f"values over seeds are {numbers.tolist()}; give one or more finite ones")
    if numbers.size == 1:
        return _estimate(numbers, math.nan, math.nan)
    rng = np.random.default_rng(seed)
    means = numbers[rng.integers(0, numbers.size, (n_resamples, numbers.size))].mean(axis=1)
    return _estimate(numbers, *_quantiles(means, *_expanded(confidence, numbers.size)))


def percentile_interval(samples: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """The middle share `confidence` of resampled values [b]."""
    return _quantiles(samples, (1 - confidence) / 2, (1 + confidence) / 2)


def evaluate_metric(
    labels: npt.ArrayLike, scores: npt.ArrayLike, metric: Metric, threshold: float = 0.0
) -> float:
    """The measure on the images as they are; see ``bootstrap_interval``."""
    labels_array, rows = check_columns(labels, [scores])
    if callable(metric):
        return float(metric(labels_array, rows[0]))
    once = np.ones((1, labels_array.size), np.int64)
    return float(_named(metric, labels_array)(labels_array, rows[0], threshold)(once)[0])


def resample(
    labels: npt.ArrayLike,
    scores: npt.ArrayLike | list[npt.ArrayLike],
    metric: Metric,
    *,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    threshold: float = 0.0,
) -> np.ndarray:
    """The measure on every resample: float64 [s, n_resamples] for scores [s, n].

    All rows of scores are given the same images in the same resample.
    """
    labels_array, rows = check_columns(labels, scores)
    if n_resamples < 1:
        raise ValueError(f"n_resamples is {n_resamples}; it must be at least 1, 10000 is usual")
    blocks = _draws(labels_array, n_resamples, seed)
    if callable(metric):
        order = np.arange(labels_array.size)
        chosen = (np.repeat(order, counts) for block in blocks for counts in block)
        return np.array([[metric(labels_array[i], row[i]) for row in rows] for i in chosen]).T
    build = _named(metric, labels_array)
    measures = [build(labels_array, row, threshold) for row in rows]
    return np.concatenate([[of(block) for of in measures] for block in blocks], axis=1)


def _draws(labels: np.ndarray, n_resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each image is drawn: blocks int64 [b, n] that add up to n_resamples rows."""
    rng = np.random.default_rng(seed)
    classes = [np.flatnonzero(labels == label) for label in (0, 1)]
    size = max(1, _BLOCK // labels.size)
    for start in range(0, n_resamples, size):
        rows = min(size, n_resamples - start)
        counts = np.zeros((rows, labels.size), np.int64)
        for members in classes:
            if members.size:
                drawn = rng.integers(0, members.size, (rows, members.size))
                drawn += np.arange(rows)[:, None] * members.size
                flat = np.bincount(drawn.ravel(), minlength=rows * members.size)
                counts[:, members] = flat.reshape(rows, members.size)
        yield counts


# A measure of one system's scores: counts of each image int [b, n] -> values float64 [b].
_Measure = Callable[[np.ndarray], np.ndarray]


def _share_right(which: tuple[int, ...]) -> Callable[[np.ndarray, np.ndarray, float], _Measure]:
    """Mean over the classes `which` of the share classified right; () for all images alike."""

    def build(labels: np.ndarray, scores: np.ndarray, threshold: float) -> _Measure:
        right = (scores > threshold) == (labels == 1)
        groups = [labels == label for label in which] or [np.ones(labels.size, bool)]

        def measure(counts: np.ndarray) -> np.ndarray:
            shares = [counts[:, g & right].sum(axis=1) / g.sum() for g in groups]
            return np.mean(shares, axis=0)

        return measure

    return build


def _ranked(
    of: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> Callable[[np.ndarray, np.ndarray, float], _Measure]:
    """A measure of how many photographs and generated images [b, m] have each distinct score."""

    def build(labels: np.ndarray, scores: np.ndarray, threshold: float) -> _Measure:
        del threshold
        order = np.argsort(scores, kind="stable")
        ascending = scores[order]
        starts = np.flatnonzero(np.r_[True, ascending[1:] != ascending[:-1]])
        generated = labels[order] == 1
        tied = starts.size < order.size

        def measure(counts: np.ndarray) -> np.ndarray:
            counts = counts[:, order]
            fakes, photographs = counts * generated, counts * ~generated
            if tied:
                fakes = np.add.reduceat(fakes, starts, axis=1)
                photographs = np.add.reduceat(photographs, starts, axis=1)
            return of(photographs, fakes)

        return measure

    return build


def _auc(photographs: np.ndarray, fakes: np.ndarray) -> np.ndarray:
    """Share of pairs in which the generated image scores higher, ties half."""
    below = np.cumsum(photographs, axis=1)
    pairs = below[:, -1] * fakes.sum(axis=1)
    return ((2 * below - photographs) * fakes).sum(axis=1) / (2 * pairs)


def _ap(photographs: np.ndarray, fakes: np.ndarray) -> np.ndarray:
    """scikit-learn's: precision at every distinct score, weighted by the recall it adds."""
    found = np.cumsum(fakes[:, ::-1], axis=1)
    called = found + np.cumsum(photographs[:, ::-1], axis=1)
    precision = found / np.maximum(called, 1)
    return (precision * fakes[:, ::-1]).sum(axis=1) / found[:, -1]


def _best_accuracy(photographs: np.ndarray, fakes: np.ndarray) -> np.ndarray:
    """At the best threshold between distinct scores, below or above all of them."""
    gained = np.cumsum(photographs - fakes, axis=1).max(axis=1)
    everything = fakes.sum(axis=1)
    return (everything + np.maximum(gained, 0)) / (everything + photographs.sum(axis=1))


# Name: (how to build the measure, labels that there must be images of).
_METRICS: Mapping[
    str, tuple[Callable[[np.ndarray, np.ndarray, float], _Measure], tuple[int, ...]]
] = {
    "accuracy": (_share_right(()), ()),
    "real_accuracy": (_share_right((0,)), (0,)),
    "fake_accuracy": (_share_right((1,)), (1,)),
    "balanced_accuracy": (_share_right((0, 1)), (0, 1)),
    "best_accuracy": (_ranked(_best_accuracy), (0, 1)),
    "ap": (_ranked(_ap), (0, 1)),
    "auc": (_ranked(_auc), (0, 1)),
}
METRICS = tuple(_METRICS)


def _named(metric: str, labels: np.ndarray) -> Callable[[np.ndarray, np.ndarray, float], _Measure]:
    name = metric.lower().replace(" ", "_").replace("-", "_")
    if name not in _METRICS:
        raise ValueError(f"metric is {metric!r}; allowed are {', '.join(_METRICS)}")
    build, needed = _METRICS[name]
    for label in needed:
        if not (labels == label).any():
            kind = "generated images (label 1)" if label else "photographs (label 0)"
            raise ValueError(f"{metric} needs {kind}, and there are none")
    return build


def _expanded(confidence: float, n: int) -> tuple[float, float]:
    """Quantiles at which resampled means of n values give an interval of this confidence."""
    from scipy import stats

    if n < 2:
        return (1 - confidence) / 2, (1 + confidence) / 2
    widened = math.sqrt(n / (n - 1)) * stats.t.ppf((1 + confidence) / 2, n - 1)
    return float(stats.norm.cdf(-widened)), float(stats.norm.cdf(widened))


def _quantiles(samples: np.ndarray, low: float, high: float) -> tuple[float, float]:
    bounds = np.quantile(samples, (low, high))
    return float(bounds[0]), float(bounds[1])


def _estimate(values: np.ndarray, low: float, high: float) -> SeedsEstimate:
    std = float(values.std(ddof=1)) if values.size > 1 else math.nan
    return SeedsEstimate(tuple(map(float, values)), float(values.mean()), std, low, high)
