"""Permutation tests: is what belongs together more alike than chance would have it?"""

import dataclasses
import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np

from input_pipeline.errors import UserError

N_PERMUTATIONS = 1_999
MOST_ASSIGNMENTS = 50_000  # up to so many are all tried, beyond some are drawn
_TINY = 1e-9  # differences that rounding makes


@dataclasses.dataclass(frozen=True)
class PermutationTest:
    """What a permutation test found.

    Attributes:
        statistic: the larger, the more structure.
        p_value: share of the permutations, the one observed included, that have as much.
        smallest_p: what p can reach at best.
        exact: whether all permutations were tried.
        permutations: how many were.
    """

    statistic: float
    p_value: float
    smallest_p: float
    exact: bool
    permutations: int

    @property
    def can_reject(self) -> bool:
        """Whether p can fall below 0.05 at all."""
        return self.smallest_p < 0.05


def groups_differ(
    values: np.ndarray, groups: np.ndarray, *, permutations: int = N_PERMUTATIONS
) -> PermutationTest:
    """Do groups have different means? By exchanging the groups of single rows.

    The statistic is the share of the sum of squares that lies between groups (R squared of a
    PERMANOVA with Euclidean distances; Anderson, Austral Ecology 26, 2001).

    Args:
        values: float ``[n, d]``.
        groups: ``[n]``, at least two different ones, or ``ValueError``.
        permutations: how many are drawn.
    """
    _, codes = np.unique(groups, return_inverse=True)
    counts = np.bincount(codes)
    if len(counts) < 2:
        raise UserError("there is one group only; give at least two to compare")
    centred = np.asarray(values, np.float64) - np.mean(values, axis=0)
    total = float((centred**2).sum())
    if not total:
        return PermutationTest(0.0, 1.0, 1 / (permutations + 1), False, permutations)
    centred = centred[np.argsort(codes, kind="stable")]
    starts = np.cumsum(counts) - counts

    def between(rows: np.ndarray) -> float:
        sums = np.add.reduceat(rows, starts, axis=0)
        return float((sums**2 / counts[:, None]).sum()) / total

    return _by_drawing(between, centred, permutations)


def families_cohere(means: np.ndarray, families: np.ndarray) -> PermutationTest:
    """Are members of one family more alike than members of different ones? By exchanging members.

    The statistic is the mean Euclidean distance between members of different families minus that
    between members of one.

    Args:
        means: float ``[g, d]``, one row per member.
        families: ``[g]``, which family each belongs to.

    Raises:
        ValueError: fewer than two families, or none with two members: nothing to compare.
    """
    _, codes = np.unique(families, return_inverse=True)
    sizes = np.bincount(codes) if codes.size else np.zeros(0, int)
    if len(sizes) < 2 or sizes.max() < 2:
        raise UserError(
            f"{len(sizes)} families with at most {sizes.max(initial=0)} members; the comparison "
            "needs two families, one of them with two members"
        )
    means = np.asarray(means, np.float64)
    distances = np.linalg.norm(means[:, None] - means[None], axis=-1)
    upper = np.triu_indices(len(codes), 1)

    def statistic(codes: np.ndarray) -> float:
        same = (codes[:, None] == codes[None])[upper]
        return float(distances[upper][~same].mean() - distances[upper][same].mean())

    total = math.factorial(len(codes)) // math.prod(math.factorial(int(size)) for size in sizes)
    # Families of one size can change names without changing who is together.
    alike = math.prod(math.factorial(times) for times in Counter(sizes.tolist()).values())
    if total <= MOST_ASSIGNMENTS:
        observed = statistic(codes)
        every = map(statistic, _assignments(sizes.tolist()))
        as_much = sum(other >= observed - _TINY for other in every)
        return PermutationTest(observed, as_much / total, alike / total, True, total)
    return _by_drawing(statistic, codes, N_PERMUTATIONS)


def rank_correlation(x: np.ndarray, y: np.ndarray) -> PermutationTest:
    """Spearman's correlation, tested two-sided by exchanging the y; nan where one is constant.

    `x` and `y` are float ``[n]``, at least three, or ``ValueError``.
    """
    from scipy import stats  # slow to import

    n = len(x)
    if n < 3:
        raise UserError(f"{n} pairs; a rank correlation needs at least three")
    exact = math.factorial(n) <= MOST_ASSIGNMENTS
    if exact:
        orders = np.array(list(itertools.permutations(range(n))))
    else:
        rng = np.random.default_rng(0)
        orders = np.array([rng.permutation(n) for _ in range(N_PERMUTATIONS)])
    tried = len(orders)
    smallest = 2 / tried if exact else 1 / (1 + tried)
    ranks = [stats.rankdata(values) - (n + 1) / 2 for values in (x, y)]
    norm = math.sqrt(float((ranks[0] ** 2).sum() * (ranks[1] ** 2).sum()))
    if not norm:
        return PermutationTest(math.nan, 1.0, smallest, exact, tried)
    observed = float(ranks[0] @ ranks[1]) / norm
    others = ranks[1][orders] @ ranks[0] / norm
    as_much = int((np.abs(others) >= abs(observed) - _TINY).sum())
    p_value = as_much / tried if exact else (1 + as_much) / (1 + tried)
    return PermutationTest(observed, p_value, smallest, exact, tried)


def _by_drawing(
    statistic: Callable[[np.ndarray], float], rows: np.ndarray, count: int
) -> PermutationTest:
    """Over so many random orders of the rows; the one observed is one more."""
    observed, rng = statistic(rows), np.random.default_rng(0)
    drawn = (statistic(rng.permutation(rows)) for _ in range(count))
    as_much = sum(value >= observed - _TINY for value in drawn)
    return PermutationTest(observed, (1 + as_much) / (1 + count), 1 / (1 + count), False, count)


def _assignments(left: list[int]) -> Iterator[np.ndarray]:
    """Every way to deal members to families of these sizes, as int ``[g]``."""
    if not any(left):
        yield np.empty(0, int)
    for family, count in enumerate(left):
        if count:
            rest = [size - (place == family) for place, size in enumerate(left)]
            for others in _assignments(rest):
                yield np.append(others, family)
