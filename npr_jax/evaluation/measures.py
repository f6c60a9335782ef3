"""Measures of how well logits tell generated images (label 1) from photographs (label 0).

An image is called generated when its logit is above 0 (probability above 0.5). Ranking measures
(AP, AUC, the best threshold) are computed on logits: probabilities saturate at 1 and would tie
images that the detector does tell apart.
"""

import math
from typing import Any

import numpy as np

from npr_jax.detectors.calibration import probabilities


def best_threshold(labels: np.ndarray, logits: np.ndarray) -> tuple[float, float, float | None]:
    """The threshold that classifies most images correctly.

    Candidates lie midway between neighbouring distinct logits, and below and above all of them;
    of equally good ones the one nearest to 0 (probability 0.5) is taken. It is chosen on the very
    images it is judged on, so the accuracy is an upper limit and not an estimate.

    ``labels`` int ``[n]``, ``logits`` float ``[n]``. Returns the accuracy in [0, 1]; the threshold
    as a probability (0.0: everything is called generated, 1.0: nothing is) and as a logit, None
    for those two.
    """
    values, inverse = np.unique(np.asarray(logits, np.float64), return_inverse=True)
    fakes = np.bincount(inverse, weights=labels, minlength=values.size)
    reals = np.bincount(inverse, minlength=values.size) - fakes
    right = np.concatenate([[0], np.cumsum(reals)]) + np.concatenate(
        [np.cumsum(fakes[::-1])[::-1], [0]]
    )
    cuts = np.concatenate([[-np.inf], (values[1:] + values[:-1]) / 2, [np.inf]])
    best = np.flatnonzero(right == right.max())
    chosen = best[np.argmin(np.abs(cuts[best]))]
    cut = float(cuts[chosen])
    accuracy = float(right[chosen] / len(labels))
    return accuracy, float(probabilities(cut)), cut if math.isfinite(cut) else None


def wilson(successes: int, trials: int) -> list[float] | None:
    """95 % Wilson score interval of a proportion; None without trials."""
    if not trials:
        return None
    from scipy import stats  # here, so that scoring does without it

    found = stats.binomtest(successes, trials).proportion_ci(method="wilson")
    return [float(found.low), float(found.high)]


def measure(labels: np.ndarray, logits: np.ndarray) -> dict[str, Any]:
    """All measures of one group of images.

    n_photographs, n_generated, accuracy, real_accuracy, fake_accuracy (with 95 % intervals),
    best_accuracy, best_threshold (probability), best_threshold_logit, ap, auc, confusion. AP is
    scikit-learn's `average_precision_score`. AP, AUC and the best threshold compare two classes
    and are None where one is missing; an accuracy is None where it has no images.
    """
    from sklearn import metrics  # slow to import, needed only here

    generated, called = labels == 1, logits > 0
    tn, fp = int((~generated & ~called).sum()), int((~generated & called).sum())
    fn, tp = int((generated & ~called).sum()), int((generated & called).sum())
    photographs, fakes = tn + fp, fn + tp
    row: dict[str, Any] = {
        "n_photographs": photographs,
        "n_generated": fakes,
        "accuracy": (tn + tp) / len(labels) if len(labels) else None,
        "real_accuracy": tn / photographs if photographs else None,
        "fake_accuracy": tp / fakes if fakes else None,
        "best_accuracy": None,
        "best_threshold": None,
        "best_threshold_logit": None,
        "ap": None,
        "auc": None,
        "confusion": {"tn": tn, "fp": fp, "fn": fn, "tp": tp},
        "real_accuracy_interval": wilson(tn, photographs),
        "fake_accuracy_interval": wilson(tp, fakes),
    }
    if photographs and fakes:
        accuracy, probability, logit = best_threshold(labels, logits)
        row |= {"best_accuracy": accuracy, "best_threshold": probability}
        row["best_threshold_logit"] = logit
        row["ap"] = float(metrics.average_precision_score(labels, logits))
        row["auc"] = float(metrics.roc_auc_score(labels, logits))
    return row
