"""Measures of how often each image was drawn: one call for all resamples of a bootstrap."""

from collections.abc import Callable, Mapping

import numpy as np

from input_pipeline.errors import UserError

# A measure of one system's scores: counts of each image int [b, n] -> values float64 [b].
Measure = Callable[[np.ndarray], np.ndarray]
# From labels, scores and threshold.
Build = Callable[[np.ndarray, np.ndarray, float], Measure]


def _share_right(which: tuple[int, ...]) -> Build:
    """Mean over the classes `which` of the share classified right; () for all images alike."""

    def build(labels: np.ndarray, scores: np.ndarray, threshold: float) -> Measure:
        right = (scores > threshold) == (labels == 1)
        groups = [labels == label for label in which] or [np.ones(labels.size, bool)]

        def measure(counts: np.ndarray) -> np.ndarray:
            shares = [counts[:, g & right].sum(axis=1) / g.sum() for g in groups]
            return np.mean(shares, axis=0)

        return measure

    return build


def _ranked(
    of: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> Build:
    """A measure of how many photographs and generated images [b, m] have each distinct score."""

    def build(labels: np.ndarray, scores: np.ndarray, threshold: float) -> Measure:
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
_METRICS: Mapping[str, tuple[Build, tuple[int, ...]]] = {
    "accuracy": (_share_right(()), ()),
    "real_accuracy": (_share_right((0,)), (0,)),
    "fake_accuracy": (_share_right((1,)), (1,)),
    "balanced_accuracy": (_share_right((0, 1)), (0, 1)),
    "best_accuracy": (_ranked(_best_accuracy), (0, 1)),
    "ap": (_ranked(_ap), (0, 1)),
    "auc": (_ranked(_auc), (0, 1)),
}
METRICS = tuple(_METRICS)


def find_measure(metric: str, labels: np.ndarray) -> Build:
    """What builds the measure of that name from labels, scores and threshold.

    Raises:
        ValueError: there is none of that name, or a class that it needs has no images.
    """
    name = metric.lower().replace(" ", "_").replace("-", "_")
    if name not in _METRICS:
        raise UserError(f"metric is {metric!r}; allowed are {', '.join(_METRICS)}")
    build, needed = _METRICS[name]
    for label in needed:
        if not (labels == label).any():
            kind = "generated images (label 1)" if label else "photographs (label 0)"
            raise UserError(f"{metric} needs {kind}, and there are none")
    return build
