"""What a network says of one image, and a detector of one file: logit, score and verdict."""

import dataclasses
from typing import NamedTuple

import numpy as np

from input_pipeline.errors import UserError
from npr_jax.detectors.calibration import GENERATED, PHOTOGRAPH, UNSURE, Calibration, probabilities

# Where no calibration says better, a verdict needs this probability for either class.
CONFIDENCE = 0.75


class Scored(NamedTuple):
    """One image's result: its ``position`` in the stream, ``logit`` (positive: generated)
    and the attention ``weights`` float32 ``[scales]``, None for models without."""

    position: int
    logit: float
    weights: np.ndarray | None


@dataclasses.dataclass(frozen=True)
class ImageScore:
    """What the detector says of one file.

    Attributes:
        path: as given.
        score: probability of being generated, in [0, 1], calibrated where the detector is; None
            where the file has an error.
        verdict: ``generated``, ``photograph`` or ``unsure``; empty where the file has an error.
        error: why the file could not be scored; empty where it was.
        weights: the attention's weights over the residuals, for models that have them.
        logit: as the network gives it, never calibrated; None where the file has an error.
    """

    path: str
    score: float | None
    verdict: str
    error: str
    weights: tuple[float, ...] | None = None
    logit: float | None = None


def check_confidence(confidence: float | None) -> None:
    """Raises ``UserError`` for one outside [0.5, 1); None is the detector's own."""
    if confidence is not None and not 0.5 <= confidence < 1:
        raise UserError(f"--confidence={confidence}; expected at least 0.5 and below 1")


def score_of(
    path: str,
    logit: float,
    confidence: float | None,
    weights: tuple[float, ...] | None = None,
    calibration: Calibration | None = None,
) -> ImageScore:
    """The result for a file whose logit is known."""
    score = float(calibration.probabilities(logit) if calibration else probabilities(logit))
    if calibration and confidence is None:
        verdict = calibration.verdict(logit)
    else:
        verdict = verdict_of(score, CONFIDENCE if confidence is None else confidence)
    return ImageScore(path, score, verdict, "", weights, logit)


def verdict_of(score: float, confidence: float) -> str:
    """``generated``, ``photograph`` or, where neither reaches the confidence, ``unsure``."""
    if score >= confidence:
        return GENERATED
    return PHOTOGRAPH if 1.0 - score >= confidence else UNSURE
