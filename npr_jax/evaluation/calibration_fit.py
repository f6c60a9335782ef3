"""Fits a calibration: temperature, bias, and the limits of the verdicts.

Labels are int ``[n]``, 1 for generated and 0 for photographs. Logits are float ``[n, d]``: of each
image after each of d deliveries.
"""

import dataclasses
import math

import numpy as np

from input_pipeline.errors import UserError
from npr_jax.detectors.calibration import Calibration


def fit(
    labels: np.ndarray,
    logits: np.ndarray,
    sources: np.ndarray,
    target_error: float,
    source_error: float,
) -> Calibration:
    """The calibration of these images, all deliveries together.

    Args:
        labels: of the images.
        logits: of the images.
        sources: str ``[n]``, where photographs are from.
        target_error: see ``Calibration``.
        source_error: share of the photographs of one source that may be called generated.
    """
    temperature, bias = fit_scaling(np.repeat(labels, logits.shape[1]), logits.ravel())
    photographs = labels == 0
    alarming = limit_of_photographs(
        logits[photographs], sources[photographs], target_error, source_error
    )
    lowest = _strictest(-logits[~photographs], target_error)
    # Verdicts begin at their limits: these lie just beyond the last image that must have none.
    generated_from = photograph_to = None
    if alarming is not None:
        generated_from = float(np.nextafter(alarming, np.inf))
    if lowest is not None:
        photograph_to = float(np.nextafter(-lowest, -np.inf))
    limits = Calibration(temperature, bias, target_error, generated_from, photograph_to)
    return with_limits_of(limits, limits)


def with_limits_of(limits: Calibration, scaled: Calibration) -> Calibration:
    """The probabilities of one calibration, and verdicts from where another one begins.

    As far as they do not contradict a probability of 0.5.
    """
    middle = -scaled.bias * scaled.temperature  # the logit of that probability
    generated_from, photograph_to = limits.generated_from, limits.photograph_to
    return dataclasses.replace(
        scaled,
        target_error=limits.target_error,
        generated_from=None if generated_from is None else max(generated_from, middle),
        photograph_to=None if photograph_to is None else min(photograph_to, middle),
    )


def fit_scaling(labels: np.ndarray, logits: np.ndarray) -> tuple[float, float]:
    """Temperature and bias of the smallest negative log-likelihood.

    ``logits``: float ``[n]``. The targets are Platt's, (n1 + 1) / (n1 + 2) for the n1 generated
    images and 1 / (n0 + 2) for the n0 photographs: with 1 and 0 there is no minimum where a
    threshold separates the classes. ``UserError`` where a class is missing, or logits are not
    higher for generated images.
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


def limit_of_photographs(
    photographs: np.ndarray, sources: np.ndarray, target_error: float, source_error: float
) -> float | None:
    """The logit above which in no delivery more new photographs are expected than may be.

    Of all sources together ``target_error``, of any one ``source_error``; a source with fewer
    photographs than ``fewest`` says has no part in it. None where there are too few altogether.
    """
    limit = _strictest(photographs, target_error)
    if limit is None:
        return None
    of_each = (_strictest(photographs[sources == one], source_error) for one in np.unique(sources))
    return max([limit, *(known for known in of_each if known is not None)])


def _strictest(scores: np.ndarray, rate: float) -> float | None:
    """The highest of the deliveries' thresholds; None where there are too few images."""
    limits = [limit for one in scores.T if (limit := threshold_for(one, rate)) is not None]
    return max(limits, default=None)


def threshold_for(scores: np.ndarray, rate: float) -> float | None:
    """The score above which at most this share of new images is expected.

    Of n images, float ``[n]``, the k-th lowest with k = ceil((n + 1) (1 - rate)): a new image of
    the same kind lies above it with a probability of at most the rate (Vovk et al., 2005: conformal
    prediction). None where there are fewer than ``fewest`` says.
    """
    # What rounding adds to a whole number must not count as one more.
    place = math.ceil((len(scores) + 1) * (1 - rate) - 1e-9)
    return None if place > len(scores) else float(np.sort(scores)[place - 1])


def fewest(rate: float) -> int:
    """Images that are needed for a share to be kept."""
    return math.ceil(1 / rate - 1e-9) - 1
