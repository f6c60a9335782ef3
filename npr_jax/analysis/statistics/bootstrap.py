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
from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from input_pipeline.errors import UserError

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
    everything, seeds = np.concatenate([rows, others]), len(rows)
    samples = resample(
        labels, everything, metric, n_resamples=n_resamples, seed=seed, threshold=threshold
    )
    values = np.array([evaluate_metric(labels, row, metric, threshold) for row in everything])
    if against is not None:
        samples, values = samples[:seeds] - samples[seeds:], values[:seeds] - values[seeds:]
    return _estimate(values, *interval_over_seeds(samples))


def interval_over_seeds(samples: np.ndarray) -> tuple[float, float]:
    """Interval (low, high) of the mean over seeds from each seed's values on resampled images.

    Two independent variances add up: that between seeds, known from few of them, and that of the
    mean over seeds from one draw of images to the next. The interval is Student's with the degrees
    of freedom of such a sum (Satterthwaite, Biometrics Bulletin 2, 1946); with one seed, the
    percentile interval over images. For few seeds it may leave the measure's range. The samples are
    float [s, b], of ``resample``.
    """
    from scipy import stats

    seeds = len(samples)
    if seeds == 1:
        return percentile_interval(samples[0])
    by_seed = samples.mean(axis=1)
    centre, between = float(by_seed.mean()), float(by_seed.var(ddof=1)) / seeds
    total = between + float(samples.mean(axis=0).var())
    if not total:
        return centre, centre
    freedom = (seeds - 1) * (total / between) ** 2 if between else math.inf
    reach = float(stats.t.ppf(0.975, freedom)) * math.sqrt(total)
    return centre - reach, centre + reach


def bootstrap_seeds(
    values: npt.ArrayLike, *, n_resamples: int = N_RESAMPLES, seed: int = 0
) -> SeedsEstimate:
    """Mean over seeds of one number each, with its interval.

    For where no scores are at hand, as in ``runs.csv``. The interval is for other seeds, on the
    same images: the expanded percentile interval (Hesterberg 2015), because resampling few values
    gives intervals that are too narrow; with two to four seeds Student's; with one none (nan).

    Raises:
        ValueError: there are no values, or one is not finite.
    """
    numbers = np.asarray(values, np.float64).reshape(-1)
    n = numbers.size
    if not n or not np.isfinite(numbers).all():
        raise UserError(f"values over seeds are {numbers.tolist()}; give one or more finite ones")
    if n == 1:
        return _estimate(numbers, math.nan, math.nan)
    from scipy import stats

    drawn = np.random.default_rng(seed).integers(0, n, (n_resamples, n))
    means = numbers[drawn].mean(axis=1)
    # Resampled means of n values vary by n - 1 over n too little.
    widened = math.sqrt(n / (n - 1)) * float(stats.t.ppf(0.975, n - 1))
    if n < FEW_SEEDS:
        centre, reach = float(means.mean()), widened * float(means.std())
        return _estimate(numbers, centre - reach, centre + reach)
    return _estimate(numbers, *np.quantile(means, stats.norm.cdf((-widened, widened))).tolist())


def percentile_interval(samples: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of resampled values [b]."""
    low, high = np.quantile(samples, ((1 - 0.95) / 2, (1 + 0.95) / 2)).tolist()
    return low, high


def evaluate_metric(
    labels: npt.ArrayLike, scores: npt.ArrayLike, metric: Metric, threshold: float = 0.0
) -> float:
    """The measure on the images as they are; see ``bootstrap_metric``."""
    labels_array, rows = check_columns(labels, [scores])
    if callable(metric):
        return float(metric(labels_array, rows[0]))
    once = np.ones((1, labels_array.size), np.int64)
    return float(find_measure(metric, labels_array, rows[0], threshold)(once)[0])


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
    measures = [find_measure(metric, labels_array, row, threshold) for row in rows]
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


def _estimate(values: np.ndarray, low: float, high: float) -> SeedsEstimate:
    std = float(values.std(ddof=1)) if values.size > 1 else math.nan
    return SeedsEstimate(tuple(map(float, values)), float(values.mean()), std, low, high)


def check_columns(
    labels: npt.ArrayLike, scores: Iterable[npt.ArrayLike]
) -> tuple[np.ndarray, np.ndarray]:
    """Labels int64 [n] (1 generated, 0 photograph) and s columns of their scores as float64 [s, n].

    Raises:
        ValueError: no images, columns of other lengths, a label other than 0 and 1, or a score that
            is not finite.
    """
    given = np.asarray(labels)
    columns = [np.asarray(column, np.float64) for column in scores]
    shapes = {column.shape for column in columns} - {given.shape}
    if shapes or given.ndim != 1 or not given.size:
        found = " and ".join(map(str, sorted(shapes))) or "none"
        raise UserError(
            f"labels have shape {given.shape}, scores {found}; give one of each for every image"
        )
    if not np.isin(given, (0, 1)).all():
        raise UserError(
            f"labels are {np.unique(given)[:5].tolist()}; allowed are 0 (photograph), 1 (generated)"
        )
    rows = np.stack(columns)
    if not np.isfinite(rows).all():
        raise UserError("scores must be finite; leave out images that could not be scored")
    return given.astype(np.int64), rows


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


# Shares right, with the classes whose shares are averaged; () for all images alike.
_SHARES: Mapping[str, tuple[int, ...]] = {
    "accuracy": (),
    "real_accuracy": (0,),
    "fake_accuracy": (1,),
    "balanced_accuracy": (0, 1),
}
# From how many photographs and generated images [b, m] have each distinct score, ascending.
_RANKED = {"best_accuracy": _best_accuracy, "ap": _ap, "auc": _auc}
METRICS = (*_SHARES, *_RANKED)


def find_measure(
    metric: str, labels: np.ndarray, scores: np.ndarray, threshold: float
) -> Callable[[np.ndarray], np.ndarray]:
    """The measure of that name: from counts of each image int [b, n] to values float64 [b].

    Raises:
        ValueError: there is none of that name, or a class that it needs has no images.
    """
    name = metric.lower().replace(" ", "_").replace("-", "_")
    if name not in METRICS:
        raise UserError(f"metric is {metric!r}; allowed are {', '.join(METRICS)}")
    for label in _SHARES.get(name, (0, 1)):
        if not (labels == label).any():
            kind = "generated images (label 1)" if label else "photographs (label 0)"
            raise UserError(f"{metric} needs {kind}, and there are none")
    if name in _SHARES:
        right = (scores > threshold) == (labels == 1)
        groups = [labels == label for label in _SHARES[name]] or [np.ones(labels.size, bool)]

        def share(counts: np.ndarray) -> np.ndarray:
            return np.mean([counts[:, g & right].sum(axis=1) / g.sum() for g in groups], axis=0)

        return share
    order = np.argsort(scores, kind="stable")
    ascending, generated = scores[order], labels[order] == 1
    starts = np.flatnonzero(np.r_[True, ascending[1:] != ascending[:-1]])

    def ranked(counts: np.ndarray) -> np.ndarray:
        counts = counts[:, order]
        fakes, photographs = counts * generated, counts * ~generated
        if starts.size < order.size:  # some tie
            fakes = np.add.reduceat(fakes, starts, axis=1)
            photographs = np.add.reduceat(photographs, starts, axis=1)
        return _RANKED[name](photographs, fakes)

    return ranked
