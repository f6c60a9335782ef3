"""Does a number go with an outcome within groups, whatever the groups' own levels are?

Generators differ in how large and how sharp their images are and in how often they fool a detector.
Comparing images of one generator alone keeps these differences out.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping

import numpy as np

from npr_jax.analysis.statistics.bootstrap import percentile_interval, resample

N_RESAMPLES = 1000
# Of a larger group so many are drawn: more would take minutes and change little.
LARGEST_GROUP = 2000
FEWEST = 5  # of each outcome; with fewer nothing is said


@dataclasses.dataclass(frozen=True)
class Separation:
    """How well a number separates two outcomes within groups.

    Attributes:
        name: of the number.
        auc: how often, of two images of one group with different outcomes, the one with the
            outcome has the higher number; 0.5: as often as not.
        low, high: 95 % bootstrap interval, images drawn within each group and outcome.
        p_value: two-sided, of Mann and Whitney's U added up over the groups (van Elteren,
            Bulletin de l'Institut International de Statistique 37, 1960, with equal weights),
            normal approximation with ties.
        n_with, n_without: images that have the outcome or not, of the groups that have both.
        n_groups: groups that have both.
    """

    name: str
    auc: float
    low: float
    high: float
    p_value: float
    n_with: int
    n_without: int
    n_groups: int


def separations(
    outcome: np.ndarray,
    numbers: Mapping[str, np.ndarray],
    groups: np.ndarray,
    *,
    seed: int = 0,
) -> list[Separation]:
    """One row per number, in their order; those that cannot be compared are left out.

    A number that is missing (not finite) anywhere in a group leaves that group out; one that is
    the same everywhere, or meets fewer than ``FEWEST`` of an outcome, has no row.

    Args:
        outcome, numbers: bool ``[n]`` and, by name, float ``[n]``.
        groups: ``[n]``, which group each image belongs to.
        seed: of resamples and draws.
    """
    rows = []
    for name, values in numbers.items():
        parts = list(_parts(outcome, np.asarray(values, np.float64), groups, seed))
        n_with = sum(int(part[0].sum()) for part in parts)
        n_without = sum(int((~part[0]).sum()) for part in parts)
        varied = any(np.ptp(part[1]) > 0 for part in parts)
        if min(n_with, n_without) >= FEWEST and varied:
            estimate = _estimate(parts, seed)
            rows.append(Separation(name, *estimate, n_with, n_without, len(parts)))
    return rows


def _parts(
    outcome: np.ndarray, values: np.ndarray, groups: np.ndarray, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Outcome and number of each group that has both outcomes and knows the number of all."""
    for position, group in enumerate(np.unique(groups)):
        mine = np.flatnonzero(groups == group)
        if len(mine) > LARGEST_GROUP:
            rng = np.random.default_rng([seed, position])
            mine = rng.choice(mine, LARGEST_GROUP, replace=False)
        known = np.isfinite(values[mine]).all()
        if known and 0 < outcome[mine].sum() < len(mine):
            yield outcome[mine], values[mine]


def _estimate(
    parts: list[tuple[np.ndarray, np.ndarray]], seed: int
) -> tuple[float, float, float, float]:
    """AUC, its interval and p."""
    from scipy import stats  # slow to import

    total, expected, variance = 0.0, 0.0, 0.0
    samples = np.zeros(N_RESAMPLES)
    for position, (outcome, values) in enumerate(parts):
        n, positives = len(values), int(outcome.sum())
        pairs = positives * (n - positives)
        # U of the images with the outcome, ties half, and its variance if nothing goes with it.
        total += float(stats.rankdata(values)[outcome].sum() - positives * (positives + 1) / 2)
        counts = np.unique(values, return_counts=True)[1].astype(np.float64)
        ties = (counts**3 - counts).sum() / (n * (n - 1))
        expected, variance = expected + pairs / 2, variance + pairs / 12 * (n + 1 - ties)
        drawn = resample(
            outcome.astype(int), [values], "auc", n_resamples=N_RESAMPLES, seed=seed + position
        )
        samples += pairs * drawn[0]
    z = (total - expected) / math.sqrt(variance) if variance else 0.0
    low, high = percentile_interval(samples / (2 * expected))
    return total / (2 * expected), low, high, math.erfc(abs(z) / math.sqrt(2))
