"""Fits a calibration: temperature, bias, and the band of logits without a verdict.

Labels are int ``[n]``, 1 for generated and 0 for photographs, logits float ``[n]``.
"""

import math

import numpy as np

from input_pipeline.errors import UserError
from npr_jax.detectors.calibration import Calibration

CERTAINTY = 0.95  # of the bound on the error among the decided


def fit(labels: np.ndarray, logits: np.ndarray, target_error: float) -> Calibration:
    """The calibration of these images; see `fit_scaling` and `set_band`."""
    temperature, bias = fit_scaling(labels, logits)
    middle = -bias * temperature
    generated_from, photograph_to = set_band(labels, logits, middle, target_error)
    return Calibration(temperature, bias, target_error, generated_from, photograph_to)


def fit_scaling(labels: np.ndarray, logits: np.ndarray) -> tuple[float, float]:
    """Temperature and bias of the smallest negative log-likelihood.

    The targets are Platt's, (n1 + 1) / (n1 + 2) for the n1 generated images and 1 / (n0 + 2) for
    the n0 photographs: with 1 and 0 there is no minimum where a threshold separates the classes.
    ``UserError`` where a class is missing, or logits are not higher for generated images.
    """
    from sklearn.linear_model import LogisticRegression  # here, so that scoring does without it

    generated = np.asarray(labels) == 1
    count = int(generated.sum())
    if not 0 < count < len(generated):
        raise UserError("a calibration needs photographs and generated images, here is one class")
    logits = np.asarray(logits, np.float64)
    middle, spread = logits.mean(), logits.std()
    slope = 0.0
    if spread:
        x = (logits - middle)[:, None] / spread
        targets = np.where(generated, (count + 1) / (count + 2), 1 / (len(generated) - count + 2))
        # A target of t is the share t of an image with label 1 and the rest of it with label 0.
        regression = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12)
        regression.fit(
            np.concatenate([x, x]),
            np.repeat([1, 0], len(x)),
            np.concatenate([targets, 1 - targets]),
        )
        slope, offset = float(regression.coef_[0, 0]), float(regression.intercept_[0])
    if slope < 1e-6:
        raise UserError(
            "the detector's logits are no higher for generated images than for photographs among "
            "the images it was to be calibrated with, so no score of it would mean anything there"
        )
    return float(spread / slope), float(offset - slope * middle / spread)


def set_band(
    labels: np.ndarray, logits: np.ndarray, middle: float, target_error: float
) -> tuple[float | None, float | None]:
    """The logits from which images are called generated and up to which photographs.

    Each side of the middle by itself: as many images as possible are decided such that the upper
    95 % bound on their error (one-sided, Clopper and Pearson) is at most the target.

    ``middle`` is the logit of probability 0.5; no verdict contradicts it. A side on which the
    target cannot be reached is None.
    """
    labels, logits = np.asarray(labels), np.asarray(logits, np.float64)
    upper = logits >= middle
    generated_from = largest_decided(logits[upper], labels[upper] == 0, target_error)
    photograph_from = largest_decided(-logits[~upper], labels[~upper] == 1, target_error)
    return generated_from, None if photograph_from is None else -photograph_from


def largest_decided(
    confidences: np.ndarray, wrong: np.ndarray, target_error: float
) -> float | None:
    """The lowest confidence from which verdicts are seldom enough wrong; None: there is none.

    ``confidences``: float ``[n]``, the higher, the surer; ``wrong``: bool ``[n]``, whether the
    verdict would be. The upper 95 % bound on the share of wrong ones is at most the target.
    """
    from scipy import stats  # here, so that scoring does without it

    if not len(confidences):
        return None
    order = np.argsort(-confidences, kind="stable")
    ordered = confidences[order]
    decided = np.arange(1, len(ordered) + 1)
    errors = np.cumsum(wrong[order])
    bound = np.ones(len(ordered))
    some_right = errors < decided
    e, k = errors[some_right], decided[some_right]
    bound[some_right] = stats.beta.ppf(CERTAINTY, e + 1, k - e)
    # Images of equal confidence are decided together.
    last_of_equals = np.append(ordered[1:] < ordered[:-1], True)
    fit_for_use = np.flatnonzero((bound <= target_error) & last_of_equals)
    return float(ordered[fit_for_use[-1]]) if fit_for_use.size else None


def fewest_decided(target_error: float) -> int:
    """Images of one verdict, all right, that are needed to show an error below the target."""
    return math.ceil(math.log(1 - CERTAINTY) / math.log(1 - target_error))


def threshold_for(photographs: np.ndarray, false_positive_rate: float) -> float | None:
    """The logit above which at most this share of new photographs is expected.

    Of n photographs the k-th lowest with k = ceil((n + 1) (1 - rate)): a new photograph of the same
    kind lies above it with a probability of at most the rate (Vovk et al., 2005: conformal
    prediction). None where there are fewer than 1 / rate - 1 photographs.
    """
    # What rounding adds to a whole number must not count as one more.
    place = math.ceil((len(photographs) + 1) * (1 - false_positive_rate) - 1e-9)
    return None if place > len(photographs) else float(np.sort(photographs)[place - 1])
