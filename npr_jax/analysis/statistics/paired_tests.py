"""Tests and effect sizes for two systems that were measured on the same things.

Pairs are images (DeLong, McNemar), and generators or seeds (paired t, Wilcoxon).
Every difference is a - b, every p is two-sided. A test on few pairs has few possible outcomes:
``smallest_p`` is the least p that any outcome of that size could have, and where it lies above
the level the test can never reject, whatever the difference.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from input_pipeline.errors import UserError
from npr_jax.analysis.statistics.bootstrap import check_columns

_ENUMERATED = 13  # pairs up to which all 2^n signs are tried


@dataclasses.dataclass(frozen=True)
class PairedTest:
    """The outcome of one test.

    Attributes:
        name: of the test.
        n: pairs (discordant images for McNemar's; pairs that differ for Wilcoxon's), or images.
        statistic: t; the sum of ranks in favour of a; the images that a alone has right; z.
        p_value: two-sided.
        effect: size of the effect, see `effect_name`; positive in favour of a.
        effect_name: "Cohen's d", "rank-biserial correlation", "odds ratio" (above 1 in favour of a)
            or "difference in AUC".
        low, high: 95 % interval of the mean difference (t), of the odds ratio (McNemar's), of the
            difference in AUC (DeLong's); nan (Wilcoxon's).
        smallest_p: the least p that n pairs allow; 0 for a test that is not exact.
    """

    name: str
    n: int
    statistic: float
    p_value: float
    effect: float
    effect_name: str
    low: float = math.nan
    high: float = math.nan
    smallest_p: float = 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """(low, high)."""
        return self.low, self.high

    @property
    def can_reject(self) -> bool:
        """Whether some outcome of this size has p below 0.05."""
        return self.smallest_p < 0.05


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeLong(PairedTest):
    """DeLong's test and the two areas under the ROC curve, on the same images.

    Attributes:
        auc_a, auc_b: in [0, 1], ties count half; the effect is their difference.
        standard_error: of the difference.
        n_photographs, n_generated: images.
    """

    auc_a: float
    auc_b: float
    standard_error: float
    n_photographs: int
    n_generated: int


def delong(labels: npt.ArrayLike, scores_a: npt.ArrayLike, scores_b: npt.ArrayLike) -> DeLong:
    """DeLong's test: do two detectors rank the same images equally well?

    DeLong, DeLong and Clarke-Pearson, Comparing the areas under two or more correlated receiver
    operating characteristic curves, Biometrics 44, 1988. The normal approximation wants some tens
    of images of each class; near an area of 1 the interval is too narrow. Where the difference has
    no variance at all (both rank everything alike) p is 1 for equal areas, and 0 for different
    ones.

    Args:
        labels: [n], 1 generated, 0 photograph.
        scores_a, scores_b: [n], the higher the more likely generated, of the same images in the
            same order; any monotone scale.

    Raises:
        ValueError: see ``check_columns``; or fewer than two images of a class.
    """
    truth, both = check_columns(labels, [scores_a, scores_b])
    generated = truth == 1
    photographs, fakes = int((~generated).sum()), int(generated.sum())
    if min(photographs, fakes) < 2:
        raise UserError(
            f"{photographs} photographs and {fakes} generated images; DeLong's test needs two "
            "of each"
        )
    from scipy.special import ndtr, ndtri
    from scipy.stats import rankdata

    # The share of the other class that each image is ranked right against, ties half, from ranks,
    # in n log n steps: Sun and Xu, IEEE Signal Processing Letters 21, 2014.
    ranks = rankdata(both, axis=1)
    of_fakes = (ranks[:, generated] - rankdata(both[:, generated], axis=1)) / photographs
    below = ranks[:, ~generated] - rankdata(both[:, ~generated], axis=1)
    of_photographs = (fakes - below) / fakes
    areas = of_fakes.mean(axis=1)
    variance = sum(np.var(s[0] - s[1], ddof=1) / s.shape[1] for s in (of_fakes, of_photographs))
    error, difference = math.sqrt(variance), float(areas[0] - areas[1])
    # Scores that order the images alike differ by rounding at most.
    if error < 1e-12:
        z = 0.0 if abs(difference) < 1e-12 else math.copysign(math.inf, difference)
    else:
        z = difference / error
    reach = float(ndtri(0.975)) * error
    return DeLong(
        "DeLong",
        photographs + fakes,
        statistic=z,
        p_value=float(2 * ndtr(-abs(z))),
        effect=difference,
        effect_name="difference in AUC",
        low=difference - reach,
        high=difference + reach,
        auc_a=float(areas[0]),
        auc_b=float(areas[1]),
        standard_error=error,
        n_photographs=photographs,
        n_generated=fakes,
    )


def mcnemar(
    labels: npt.ArrayLike,
    scores_a: npt.ArrayLike,
    scores_b: npt.ArrayLike,
    *,
    threshold: float = 0.0,
) -> PairedTest:
    """McNemar's exact test: do two detectors classify the same images equally well?

    Of the images that one alone has right, each is as likely to be a's as b's if they do. Exact
    (binomial) for any number of images, so it is never above its level, and for few discordant ones
    well below it. The effect is the odds ratio of those two counts with its exact interval.

    Arguments as ``delong``; a score above the threshold is called generated.
    """
    from scipy import stats

    truth, both = check_columns(labels, [scores_a, scores_b])
    right_a, right_b = (both > threshold) == (truth == 1)
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    n = only_a + only_b
    if not n:
        return PairedTest("McNemar", 0, 0.0, 1.0, 1.0, "odds ratio", 0.0, math.inf, 1.0)
    test = stats.binomtest(only_a, n, 0.5)
    share = test.proportion_ci(0.95, method="exact")
    low, high = (float(s / (1 - s)) if s < 1 else math.inf for s in (share.low, share.high))
    effect = only_a / only_b if only_b else math.inf, "odds ratio"
    found = float(only_a), float(test.pvalue), *effect, low, high
    return PairedTest("McNemar", n, *found, smallest_p=min(1.0, 2.0 * 0.5**n))


def paired_t(a: npt.ArrayLike, b: npt.ArrayLike) -> PairedTest:
    """The paired t test with Cohen's d for pairs: mean over standard deviation of the differences.

    Args:
        a, b: [n] a measure of two systems on the same generators, or with the same seeds.

    Raises:
        ValueError: fewer than two pairs, or a value that is not finite.
    """
    from scipy.special import stdtr, stdtrit

    difference = _differences(a, b)
    n, mean = difference.size, float(difference.mean())
    spread = float(difference.std(ddof=1))
    if spread <= 1e-12 * max(abs(mean), 1e-12):  # all differ alike: t is infinite, or 0/0
        t = math.copysign(math.inf, mean) if abs(mean) > 1e-12 else 0.0
        return PairedTest("paired t", n, t, 0.0 if t else 1.0, t, "Cohen's d", mean, mean)
    error = spread / math.sqrt(n)
    reach, t = error * float(stdtrit(n - 1, 0.975)), mean / error
    p_value, ends = float(2 * stdtr(n - 1, -abs(t))), (mean - reach, mean + reach)
    return PairedTest("paired t", n, t, p_value, mean / spread, "Cohen's d", *ends)


def wilcoxon(a: npt.ArrayLike, b: npt.ArrayLike) -> PairedTest:
    """Wilcoxon's signed-rank test with the matched rank-biserial correlation.

    Pairs without a difference are left out. Exact up to 50 pairs; with ties among the differences
    up to 13, by trying all signs; beyond, the normal approximation. n pairs allow no p below 2/2^n:
    five can never reach 0.05, six can (0.031). Arguments as ``paired_t``.
    """
    from scipy import stats

    # Equal differences of rounded numbers must tie: 0.3 - 0.2 is not 0.2 - 0.1 in binary.
    difference = np.round(_differences(a, b), 12)
    difference = difference[difference != 0]
    n, effect_name = difference.size, "rank-biserial correlation"
    if not n:
        return PairedTest("Wilcoxon", 0, 0.0, 1.0, 0.0, effect_name, smallest_p=1.0)
    ranks = stats.rankdata(np.abs(difference))
    in_favour, total = float(ranks[difference > 0].sum()), n * (n + 1) / 2
    tied = np.unique(np.abs(difference)).size < n
    exact = n <= (_ENUMERATED if tied else 50)
    if exact and tied:
        signs = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        away = np.abs(signs @ ranks - total / 2)
        p_value = float((away >= abs(in_favour - total / 2) - 1e-9).mean())
    else:
        method = "exact" if exact else "asymptotic"
        p_value = float(stats.wilcoxon(difference, method=method).pvalue)
    effect, smallest_p = (2 * in_favour - total) / total, 2.0 * 0.5**n if exact else 0.0
    return PairedTest("Wilcoxon", n, in_favour, p_value, effect, effect_name, smallest_p=smallest_p)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for being several (Holm, Scandinavian Journal of Statistics 6, 1979).

    To reject where the adjusted p is below 0.05 keeps the chance of any false rejection among
    all of them below 0.05, however they depend on each other.

    Returns:
        The adjusted ones, in the same order, at most 1; none of none.

    Raises:
        ValueError: a p outside [0, 1].
    """
    p = np.asarray(p_values, np.float64)
    if p.size and not ((p >= 0) & (p <= 1)).all():
        raise UserError(f"p-values are {p.tolist()}; each must lie between 0 and 1")
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    adjusted = np.empty(p.size)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted.tolist()


def _differences(a: npt.ArrayLike, b: npt.ArrayLike) -> np.ndarray:
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if first.shape != second.shape or first.ndim != 1 or first.size < 2:
        raise UserError(
            f"pairs have shapes {first.shape} and {second.shape}; give two columns of the same "
            "length, two values or more"
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise UserError("a value is missing or not finite; leave out pairs without both values")
    return first - second
