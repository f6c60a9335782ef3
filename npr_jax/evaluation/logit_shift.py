"""How far something moves a detector's logits, in units in which detectors can be compared."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from input_pipeline.images.invisible_mark import MIN_PIXELS, write_mark
from npr_jax.inference.detector import Detector


class LogitShift(NamedTuple):
    """Change of the logits of some images, over the standard deviation of them all before it."""

    mean: float  # above 0: towards generated
    root_mean_square: float  # of single images; never below the mean


def logit_shift(before: np.ndarray, after: np.ndarray) -> LogitShift | None:
    """The shift of images from what was done to them.

    Args:
        before: float ``[n]``, logits of the images as they are.
        after: float ``[n]``, logits of the same images afterwards; NaN for those without a score,
            which are left out.

    Returns:
        None with fewer than two images, or where all have one and the same logit.
    """
    known = np.isfinite(before) & np.isfinite(after)
    first, second = (np.asarray(values, np.float64)[known] for values in (before, after))
    spread = first.std(ddof=1) if len(first) > 1 else 0.0
    if not spread:
        return None
    change = (second - first) / spread
    return LogitShift(float(change.mean()), float(np.sqrt(np.square(change).mean())))


def invisible_mark_shift(
    detector: Detector, photographs: Iterable[np.ndarray]
) -> LogitShift | None:
    """The shift of photographs from writing the mark of Stable Diffusion's script into them.

    Args:
        detector: sees them as it sees files, with its own preprocessing.
        photographs: uint8 ``[h, w, 3]`` RGB, as they were taken; smaller ones than the script
            marks are left out.
    """
    large = [image for image in photographs if image.shape[0] * image.shape[1] >= MIN_PIXELS]
    before, after = (
        detector.logits(list(detector.see(images)))
        for images in (large, [write_mark(image) for image in large])
    )
    return logit_shift(before, after)
