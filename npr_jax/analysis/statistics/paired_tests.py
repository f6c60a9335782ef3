"""Tests and effect sizes for two systems that were measured on the same things.

Pairs are images for McNemar's test, and generators or seeds for the paired t and the Wilcoxon test.
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
from npr_jax.analysis.statistics.columns import check_columns

_ENUMERATED = 13  # pairs up to which all 2^n signs are tried


@dataclasses.dataclass(frozen=True)
class PairedTest:
    """The outcome of one test.

    Attributes:
        name: of the test.
        n: pairs (discordant images for McNemar's; pairs that differ for Wilcoxon's).
        statistic: t; the sum of ranks in favour of a; the images that a alone has right.
        p_value: two-sided.
        smallest_p: the least p that n pairs allow; 0 for a test that is not exact.
        effect: size of the effect, see `effect_name`; positive in favour of a.
        effect_name: "Cohen's d", "rank-biserial correlation", "odds ratio" (above 1 in favour of a)
            or "difference in AUC".
        low, high: 95 % interval of the mean difference (t), of the odds ratio (McNemar's), of the
            difference in AUC (DeLong's); nan (Wilcoxon's).
    """

    name: str
    n: int
    statistic: float
    p_value: float
    smallest_p: float
    effect: float
    effect_name: str
    low: float
    high: float

    @property
    def can_reject(self) -> bool:
        """Whether some outcome of this size has p below 0.05."""
        return self.smallest_p < 0.05


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

    Args:
        labels: [n], 1 generated, 0 photograph.
        scores_a, scores_b: [n] of the same images in the same order.
        threshold: a score above it is called generated; 0 for logits.

    Raises:
        ValueError: see ``npr_jax.analysis.statistics.columns.check_columns``.
    """
    from scipy import stats

    truth, both = check_columns(labels, [scores_a, scores_b])
    right_a, right_b = (both > threshold) == (truth == 1)
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    n = only_a + only_b
    if not n:
        return PairedTest("McNemar", 0, 0.0, 1.0, 1.0, 1.0, "odds ratio", 0.0, math.inf)
    test = stats.binomtest(only_a, n, 0.5)
    share = test.proportion_ci(0.95, method="exact")
    return PairedTest(
        name="McNemar",
        n=n,
        statistic=float(only_a),
        p_value=float(test.pvalue),
        smallest_p=min(1.0, 2.0 * 0.5**n),
        effect=only_a / only_b if only_b else math.inf,
        effect_name="odds ratio",
        low=_odds(float(share.low)),
        high=_odds(float(share.high)),
    )


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
        return PairedTest("paired t", n, t, 0.0 if t else 1.0, 0.0, t, "Cohen's d", mean, mean)
    error = spread / math.sqrt(n)
    reach = error * float(stdtrit(n - 1, 0.975))
    return PairedTest(
        name="paired t",
        n=n,
        statistic=mean / error,
        p_value=float(2 * stdtr(n - 1, -abs(mean / error))),
        smallest_p=0.0,
        effect=mean / spread,
        effect_name="Cohen's d",
        low=mean - reach,
        high=mean + reach,
    )


def wilcoxon(a: npt.ArrayLike, b: npt.ArrayLike) -> PairedTest:
    """Wilcoxon's signed-rank test with the matched rank-biserial correlation.

    Pairs without a difference are left out. Exact up to 50 pairs; with ties among the differences
    up to 13, by trying all signs; beyond, the normal approximation. n pairs allow no p below 2/2^n:
    five can never reach 0.05, six can (0.031).

    Args:
        a, b: [n] a measure of two systems on the same generators, or with the same seeds.

    Raises:
        ValueError: fewer than two pairs, or a value that is not finite.
    """
    from scipy import stats

    difference = _differences(a, b)
    # Equal differences of rounded numbers must tie: 0.3 - 0.2 is not 0.2 - 0.1 in binary.
    difference = np.round(difference, 12)
    difference = difference[difference != 0]
    n = difference.size
    if not n:
        nan = math.nan
        return PairedTest("Wilcoxon", 0, 0.0, 1.0, 1.0, 0.0, "rank-biserial correlation", nan, nan)
    ranks = stats.rankdata(np.abs(difference))
    in_favour, total = float(ranks[difference > 0].sum()), n * (n + 1) / 2
    tied = np.unique(np.abs(difference)).size < n
    exact = n <= (_ENUMERATED if tied else 50)
    if exact and tied:
        p_value = _all_signs(ranks, in_favour)
    else:
        method = "exact" if exact else "asymptotic"
        p_value = float(stats.wilcoxon(difference, method=method).pvalue)
    return PairedTest(
        name="Wilcoxon",
        n=n,
        statistic=in_favour,
        p_value=p_value,
        smallest_p=2.0 * 0.5**n if exact else 0.0,
        effect=(2 * in_favour - total) / total,
        effect_name="rank-biserial correlation",
        low=math.nan,
        high=math.nan,
    )


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for being several (Holm, Scandinavian Journal of Statistics 6, 1979).

    To reject where the adjusted p is below 0.05 keeps the chance of any false rejection among
    all of them below 0.05, however they depend on each other.

    Args:
        p_values: in [0, 1], in any order; none are allowed.

    Returns:
        The adjusted ones, in the same order, at most 1.

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
    return [float(value) for value in adjusted]


def _all_signs(ranks: np.ndarray, in_favour: float) -> float:
    """Share of all signs that lie as far from the middle as these do."""
    signs = (np.arange(2**ranks.size)[:, None] >> np.arange(ranks.size)) & 1
    sums, middle = signs @ ranks, ranks.sum() / 2
    return float((np.abs(sums - middle) >= abs(in_favour - middle) - 1e-9).mean())


def _odds(share: float) -> float:
    return share / (1 - share) if share < 1 else math.inf


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
