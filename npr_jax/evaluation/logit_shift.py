"""How far something moves a detector's logits, in units in which detectors can be compared."""

from typing import NamedTuple

import numpy as np


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
