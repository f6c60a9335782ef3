"""DeLong's test: do two detectors rank the same images equally well?

DeLong, DeLong and Clarke-Pearson, Comparing the areas under two or more correlated receiver
operating characteristic curves, Biometrics 44, 1988. A structural component of an image is the
share of images of the other class that it is ranked right against; they are found from ranks, in
n log n steps (Sun and Xu, IEEE Signal Processing Letters 21, 2014).
"""

import dataclasses
import math

import numpy as np
import numpy.typing as npt

from input_pipeline.errors import UserError
from npr_jax.analysis.statistics.columns import check_columns
from npr_jax.analysis.statistics.paired_tests import PairedTest


@dataclasses.dataclass(frozen=True)
class DeLong:
    """Two areas under the ROC curve on the same images.

    Attributes:
        auc_a, auc_b: in [0, 1], ties count half.
        difference: auc_a - auc_b.
        standard_error: of the difference.
        low, high: normal interval of the difference.
        z: the difference over its standard error.
        p_value: two-sided, of equal areas; from the normal distribution.
        n_photographs, n_generated: images.
    """

    auc_a: float
    auc_b: float
    difference: float
    standard_error: float
    low: float
    high: float
    z: float
    p_value: float
    n_photographs: int
    n_generated: int

    @property
    def interval(self) -> tuple[float, float]:
        """(low, high) of the difference."""
        return self.low, self.high

    @property
    def test(self) -> PairedTest:
        """The same as the outcome of a test; the size of the effect is the difference itself."""
        return PairedTest(
            name="DeLong",
            n=self.n_photographs + self.n_generated,
            statistic=self.z,
            p_value=self.p_value,
            smallest_p=0.0,
            effect=self.difference,
            effect_name="difference in AUC",
            low=self.low,
            high=self.high,
        )


def delong(
    labels: npt.ArrayLike,
    scores_a: npt.ArrayLike,
    scores_b: npt.ArrayLike,
    *,
    confidence: float = 0.95,
) -> DeLong:
    """Compares two areas under the ROC curve that were measured on the same images.

    The normal approximation wants some tens of images of each class; near an area of 1 the interval
    is too narrow. Where the difference has no variance at all (both rank everything alike) p is 1
    for equal areas, and 0 for different ones.

    Args:
        labels: [n], 1 generated, 0 photograph.
        scores_a, scores_b: [n], the higher the more likely generated, of the same images in the
            same order; any monotone scale.
        confidence: of the interval.

    Raises:
        ValueError: columns of different lengths, other labels, scores that are not finite, or fewer
            than two images of a class.
    """
    truth, both = check_columns(labels, [scores_a, scores_b])
    generated = truth == 1
    counts = int((~generated).sum()), int(generated.sum())
    if min(counts) < 2:
        raise UserError(
            f"{counts[0]} photographs and {counts[1]} generated images; DeLong's test needs two "
            "of each"
        )
    right_of_generated, right_of_photographs = structural_components(generated, both)
    areas = right_of_generated.mean(axis=1)
    variance = sum(
        np.var(components[0] - components[1], ddof=1) / components.shape[1]
        for components in (right_of_generated, right_of_photographs)
    )
    error, difference = math.sqrt(variance), float(areas[0] - areas[1])
    # Scores that order the images alike differ by rounding at most.
    if error < 1e-12:
        z = 0.0 if abs(difference) < 1e-12 else math.copysign(math.inf, difference)
    else:
        z = difference / error
    from scipy.special import ndtr, ndtri

    reach = float(ndtri((1 + confidence) / 2)) * error
    return DeLong(
        auc_a=float(areas[0]),
        auc_b=float(areas[1]),
        difference=difference,
        standard_error=error,
        low=difference - reach,
        high=difference + reach,
        z=z,
        p_value=float(2 * ndtr(-abs(z))),
        n_photographs=counts[0],
        n_generated=counts[1],
    )


def structural_components(
    generated: np.ndarray, scores: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Share of the other class that each image is ranked right against, ties half.

    Args:
        generated: bool [n].
        scores: float [s, n].

    Returns:
        float64 [s, n_generated] and [s, n_photographs].
    """
    from scipy.stats import rankdata

    fakes, photographs = scores[:, generated], scores[:, ~generated]
    together = rankdata(scores, axis=1)
    below = together[:, generated] - rankdata(fakes, axis=1)
    above = rankdata(photographs, axis=1) + fakes.shape[1] - together[:, ~generated]
    return below / photographs.shape[1], above / fakes.shape[1]
