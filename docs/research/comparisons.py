"""Two variants of a sweep against each other on chosen generators, in points.

The statistics are those of ``npr_jax.analysis.statistics``: paired by seed and generator, the
interval and the deciding paired t test over seeds (would it come out so again?), Wilcoxon's test
over generators beside it (is it so for generators of this kind?), Holm's correction over all
comparisons of one table. Here they are brought to what the report prints, with contrasts:
differences of differences.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from docs.research.result_table import ResultTable
from npr_jax.analysis import statistics

NAN = float("nan")


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A variant minus a baseline, in points of a measure.

    Attributes:
        name: what is compared, for tables and figures.
        by_seed: mean difference over generators for each seed, float64 ``[seeds]``.
        by_generator: mean difference over seeds for each generator, float64 ``[generators]``; empty
            for a contrast of two groups of generators.
        low: lower end of the 95 % interval of the mean over seeds; NaN below two seeds.
        high: upper end.
        p_value: of the paired t test over seeds, after ``corrected`` Holm's; NaN below two seeds.
        p_generators: of Wilcoxon's exact signed rank test over generators, not corrected; NaN for
            fewer than two generators.
    """

    name: str
    by_seed: np.ndarray
    by_generator: np.ndarray
    low: float = NAN
    high: float = NAN
    p_value: float = NAN
    p_generators: float = NAN

    @property
    def gain(self) -> float:
        """Mean difference in points; NaN where nothing is measured."""
        return float(self.by_seed.mean()) if self.by_seed.size else NAN

    @property
    def measured(self) -> bool:
        """Whether there are the two seeds that an interval needs."""
        return self.by_seed.size >= 2

    @property
    def holds(self) -> bool:
        """Whether the difference is beyond what seeds alone bring about."""
        return self.measured and statistics.beyond_noise(self.low, self.high, self.p_value)


def pair(
    table: ResultTable,
    variant: str,
    baseline: str,
    generators: Sequence[str],
    *,
    name: str = "",
    column: str = "auc",
) -> Comparison:
    """Variant minus baseline over the seeds that both have been run with; p not yet corrected."""
    name = name or f"{variant} − {baseline}"
    rows = [
        {**row, "kind": "tested"}
        for row in table.rows
        if row["generator"] in generators and row["variant"] in (variant, baseline)
    ]
    if not table.seeds((variant, baseline)):
        return Comparison(name, np.zeros(0), np.zeros(0))
    found = statistics.compare_variants(rows, variant, baseline, column, kind="tested")
    over_seeds, over_generators = (
        found.tests.get(which) for which in ("t_seeds", "wilcoxon_generators")
    )
    return Comparison(
        name,
        100 * np.array(found.difference.values),
        100 * found.gaps.mean(axis=0),
        100 * found.difference.low,
        100 * found.difference.high,
        over_seeds.p_value if over_seeds else NAN,
        over_generators.p_value if over_generators else NAN,
    )


def contrast(name: str, first: Comparison, second: Comparison) -> Comparison:
    """How much larger one difference is than another, seed by seed."""
    if not first.measured or first.by_seed.size != second.by_seed.size:
        return Comparison(name, np.zeros(0), np.zeros(0))
    gaps = first.by_seed - second.by_seed
    estimate = statistics.bootstrap_seeds(gaps)
    test = statistics.paired_t(first.by_seed, second.by_seed)
    return Comparison(name, gaps, np.zeros(0), estimate.low, estimate.high, test.p_value)


def corrected(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The comparisons with Holm's p values, as they are told together."""
    tested = [each.p_value for each in comparisons if each.measured]
    adjusted = iter(statistics.holm(tested))
    return [
        dataclasses.replace(each, p_value=next(adjusted)) if each.measured else each
        for each in comparisons
    ]
