"""Two variants of a sweep against each other, paired by seed and by generator.

The question "would it come out so again?" is asked of the seeds: for each seed the mean difference
over generators, then a paired t test and interval over seeds. The question "is it so for
generators of this kind?" is asked of the generators: for each one the mean difference over seeds, then
Wilcoxon's signed rank test over generators. Both are reported; only the first decides, because
the generators are few and chosen, not drawn.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from npr_jax.analysis.paired_tests import holm, paired_t, wilcoxon
from npr_jax.analysis.research.result_table import ResultTable

ALPHA = 0.05


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A variant minus a baseline, in points of a measure.

    Attributes:
        name: what is compared, for tables and figures.
        by_seed: mean difference over generators for each seed, float64 ``[seeds]``.
        by_generator: mean difference over seeds for each generator, float64 ``[generators]``.
        low: lower end of the 95 % t interval of the mean over seeds; NaN below two seeds.
        high: upper end.
        p_value: of the paired t test over seeds, Holm-corrected within its group; NaN likewise.
        p_generators: of Wilcoxon's exact signed rank test over generators, not corrected; NaN for
            fewer than two generators.
        smallest_p_generators: the least that so many generators allow.
    """

    name: str
    by_seed: np.ndarray
    by_generator: np.ndarray
    low: float
    high: float
    p_value: float
    p_generators: float
    smallest_p_generators: float

    @property
    def gain(self) -> float:
        """Mean difference in points."""
        return float(self.by_seed.mean()) if self.by_seed.size else float("nan")

    @property
    def holds(self) -> bool:
        """Whether the difference is beyond what seeds alone bring about, after Holm."""
        return self.p_value < ALPHA

    @property
    def measured(self) -> bool:
        """Whether there are the two seeds that an interval needs."""
        return self.by_seed.size >= 2


@dataclasses.dataclass(frozen=True)
class Pair:
    """What to compare: two variants on some generators, or a contrast of such differences.

    Attributes:
        name: for tables and figures.
        difference: variant minus baseline in points, float64 ``[seeds, generators]``.
    """

    name: str
    difference: np.ndarray


def pair(
    table: ResultTable,
    variant: str,
    baseline: str,
    generators: Sequence[str],
    *,
    name: str = "",
    column: str = "auc",
) -> Pair:
    """The difference of two variants over the seeds that both have been run with."""
    difference = table.difference(variant, baseline, generators, column)
    return Pair(name or f"{variant} − {baseline}", difference)


def compare(pairs: Sequence[Pair]) -> list[Comparison]:
    """The comparisons in the same order, their p values Holm-corrected together.

    Pairs with fewer than two seeds stay in the list with an empty or single ``by_seed`` and
    neither interval nor p; they do not count in the correction.
    """
    found = [_uncorrected(each) for each in pairs]
    tested = [number for number, each in enumerate(found) if each.measured]
    corrected = holm([found[number].p_value for number in tested])
    for number, p_value in zip(tested, corrected, strict=True):
        found[number] = dataclasses.replace(found[number], p_value=p_value)
    return found


def _uncorrected(each: Pair) -> Comparison:
    complete = each.difference[~np.isnan(each.difference).any(axis=1)]
    nan = float("nan")
    if not complete.shape[0] or not complete.shape[1]:
        return Comparison(each.name, np.zeros(0), np.zeros(0), nan, nan, nan, nan, nan)
    by_seed, by_generator = complete.mean(axis=1), complete.mean(axis=0)
    if by_seed.size < 2:
        return Comparison(each.name, by_seed, by_generator, nan, nan, nan, nan, nan)
    over_seeds = paired_t(by_seed, np.zeros(by_seed.size))
    generators = (nan, nan)
    if by_generator.size > 1:
        test = wilcoxon(by_generator, np.zeros(by_generator.size))
        generators = (test.p_value, test.smallest_p)
    return Comparison(
        each.name,
        by_seed,
        by_generator,
        over_seeds.low,
        over_seeds.high,
        over_seeds.p_value,
        *generators,
    )
