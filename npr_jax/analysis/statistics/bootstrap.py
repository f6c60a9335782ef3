"""Intervals by resampling: over images, over seeds, over both.

Images are drawn with replacement within each class (stratified), so that every resample has as many
photographs and generated images as the sample. All systems or seeds that were scored on the same
images are given the same draws, which is what makes an interval of their difference honest. The
work is vectorised over resamples and done in blocks of bounded memory.

Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapters 6 and 13 (percentile
interval); Hesterberg, What Teachers Should Know About the Bootstrap, The American Statistician
69(4), 2015, section 3.3 (the wider quantiles for few seeds).
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import numpy.typing as npt

from input_pipeline.errors import UserError
from npr_jax.analysis.statistics.columns import check_columns
from npr_jax.analysis.statistics.resampled_measures import find_measure

Metric = str | Callable[[np.ndarray, np.ndarray], float]

N_RESAMPLES = 10_000
FEW_SEEDS = 5  # fewer have too few different resamples: three values have ten
_BLOCK = 1 << 21  # counts held at a time


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


def bootstrap_metric(
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
    """A measure, or its difference between two systems, with an interval for other images.

    One row of scores gives the percentile interval over images, stratified by class; it says
    nothing of other seeds. Several rows, one per seed, give the mean over seeds with an interval
    for other seeds as well, see ``interval_over_seeds``. A measure that is perfect on the sample
    stays perfect in every resample: the interval of 500 right out of 500 is [1, 1], which says less
    than Wilson's (``measures.wilson``).

    Args:
        labels: [n], 1 generated, 0 photograph.
        scores: [n], or [s, n] with one row per seed; the higher the more likely generated; logits,
            unless `threshold` says otherwise.
        metric: "accuracy", "real_accuracy", "fake_accuracy", "balanced_accuracy",
            "best_accuracy" (at the threshold that suits each resample best), "ap" or "auc"; or a
            function of (labels, scores), which is called for every resample and takes as long.
        against: scores of another system on the same images, its seeds in the same order:
            everything is then of the difference, `scores` minus `against`.
        n_resamples: 10,000 take seconds for some thousands of images. ``scipy.stats.bootstrap``
            with scikit-learn's AP gives the same interval and takes ten times as long (1,000
            resamples of 2,000 images: 3.4 s against 0.33 s): it sorts every resample, where the
            counts drawn here weigh images that were sorted once.
        seed: same seed, same interval.
        confidence: of the interval.
        threshold: a score above it is called generated; only for accuracies.

    Raises:
        ValueError: an unknown metric, a class without images that the metric needs, labels other
            than 0 and 1, scores that are not finite or of another length, `against` of another
            shape.
    """
    rows = np.atleast_2d(np.asarray(scores, np.float64))
    others = np.empty((0, rows.shape[1]))
    if against is not None:
        others = np.atleast_2d(np.asarray(against, np.float64))
        if others.shape != rows.shape:
            raise UserError(
                f"scores are {rows.shape} and those against them {others.shape} (seeds, images); "
                "give as many seeds of both, on the same images"
            )
    everything = np.concatenate([rows, others])
    samples = resample(
        labels, everything, metric, n_resamples=n_resamples, seed=seed, threshold=threshold
    )
    values = np.array([evaluate_metric(labels, row, metric, threshold) for row in everything])
    seeds = len(rows)
    if against is not None:
        samples, values = samples[:seeds] - samples[seeds:], values[:seeds] - values[seeds:]
    return _estimate(values, *interval_over_seeds(samples, confidence))


def interval_over_seeds(samples: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of the mean over seeds from each seed's values on resampled images.

    Two independent variances add up: that between seeds, known from few of them, and that of the
    mean over seeds from one draw of images to the next. The interval is Student's with the degrees
    of freedom of such a sum (Satterthwaite, Biometrics Bulletin 2, 1946); with one seed, the
    percentile interval over images.

    Args:
        samples: float [s, b], of ``resample``.
        confidence: of the interval.

    Returns:
        (low, high), which for few seeds may leave the measure's range.
    """
    from scipy import stats

    seeds = len(samples)
    if seeds == 1:
        return percentile_interval(samples[0], confidence)
    by_seed = samples.mean(axis=1)
    centre, between = float(by_seed.mean()), float(by_seed.var(ddof=1)) / seeds
    total = between + float(samples.mean(axis=0).var())
    if not total:
        return centre, centre
    freedom = (seeds - 1) * (total / between) ** 2 if between else math.inf
    reach = float(stats.t.ppf((1 + confidence) / 2, freedom)) * math.sqrt(total)
    return centre - reach, centre + reach


def bootstrap_seeds(
    values: npt.ArrayLike,
    *,
    n_resamples: int = N_RESAMPLES,
    seed: int = 0,
    confidence: float = 0.95,
) -> SeedsEstimate:
    """Mean over seeds of one number each, with its interval.

    For where no scores are at hand, as in ``runs.csv``. The interval is for other seeds, on the
    same images: the expanded percentile interval (Hesterberg 2015), because resampling few values
    gives intervals that are too narrow; with two to four seeds Student's; with one none (nan).

    Raises:
        ValueError: there are no values, or one is not finite.
    """
    numbers = np.asarray(values, np.float64).reshape(-1)
    if not numbers.size or not np.isfinite(numbers).all():
        raise UserError(f"values over seeds are {numbers.tolist()}; give one or more finite ones")
    if numbers.size == 1:
        return _estimate(numbers, math.nan, math.nan)
    rng = np.random.default_rng(seed)
    means = numbers[rng.integers(0, numbers.size, (n_resamples, numbers.size))].mean(axis=1)
    return _estimate(numbers, *_few_or_many(means, numbers.size, confidence))


def percentile_interval(samples: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """The middle share `confidence` of resampled values [b]."""
    return _quantiles(samples, (1 - confidence) / 2, (1 + confidence) / 2)


def evaluate_metric(
    labels: npt.ArrayLike, scores: npt.ArrayLike, metric: Metric, threshold: float = 0.0
) -> float:
    """The measure on the images as they are; see ``bootstrap_metric``."""
    labels_array, rows = check_columns(labels, [scores])
    if callable(metric):
        return float(metric(labels_array, rows[0]))
    once = np.ones((1, labels_array.size), np.int64)
    return float(find_measure(metric, labels_array)(labels_array, rows[0], threshold)(once)[0])


def resample(
    labels: npt.ArrayLike,
    scores: Iterable[npt.ArrayLike],
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
        raise UserError(f"n_resamples is {n_resamples}; it must be at least 1, 10000 is usual")
    blocks = _draws(labels_array, n_resamples, seed)
    if callable(metric):
        order = np.arange(labels_array.size)
        chosen = (np.repeat(order, counts) for block in blocks for counts in block)
        return np.array([[metric(labels_array[i], row[i]) for row in rows] for i in chosen]).T
    build = find_measure(metric, labels_array)
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


def _few_or_many(means: np.ndarray, n: int, confidence: float) -> tuple[float, float]:
    """Interval from resampled means [b] of n values, which vary by n - 1 over n too little."""
    from scipy import stats

    widened = math.sqrt(n / (n - 1)) * float(stats.t.ppf((1 + confidence) / 2, n - 1))
    if n < FEW_SEEDS:
        reach = widened * float(means.std())
        return float(means.mean()) - reach, float(means.mean()) + reach
    return _quantiles(means, float(stats.norm.cdf(-widened)), float(stats.norm.cdf(widened)))


def _quantiles(samples: np.ndarray, low: float, high: float) -> tuple[float, float]:
    bounds = np.quantile(samples, (low, high))
    return float(bounds[0]), float(bounds[1])


def _estimate(values: np.ndarray, low: float, high: float) -> SeedsEstimate:
    std = float(values.std(ddof=1)) if values.size > 1 else math.nan
    return SeedsEstimate(tuple(map(float, values)), float(values.mean()), std, low, high)
