"""Is one system better than another by enough, on enough of the five tables?

The criterion: at least 2 points over the baseline in the mean of at least 2 of the 5 tables. A
table counts where both systems have all of its generators; while others could still decide it, the
verdict is open. Whether a difference is more than noise is another question, answered beside it.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from npr_jax.analysis.paper_tables.published import PAPER
from npr_jax.analysis.paper_tables.tables import PaperTable
from npr_jax.analysis.statistics.variants import (
    VariantComparison,
    adjust_together,
    compare_grids,
)

POINTS = 0.02
TABLES_NEEDED = 2
MET, NOT_MET, OPEN = "met", "not met", "open"


@dataclasses.dataclass(frozen=True)
class TableDifference:
    """One table.

    Attributes:
        number: 1 to 5.
        system, baseline: means over the generators that both have, over seeds; nan without any.
        counts: whether those are all of the table's.
        comparison: of the two, paired by generator and seed; seeds are averaged first where their
            numbers differ. None without generators.
    """

    number: int
    system: float
    baseline: float
    counts: bool
    comparison: VariantComparison | None

    @property
    def difference(self) -> float:
        """System minus baseline, from -1 to 1."""
        return self.system - self.baseline

    @property
    def reached(self) -> bool:
        """Whether the table counts and is ahead by enough."""
        return self.counts and self.difference >= POINTS - 1e-9  # 0.94 - 0.92 is below 0.02


@dataclasses.dataclass(frozen=True)
class Criterion:
    """The criterion on one measure.

    Attributes:
        measure: "accuracy" or "ap".
        system, baseline: their names.
        tables: the five.
    """

    measure: str
    system: str
    baseline: str
    tables: tuple[TableDifference, ...]

    @property
    def verdict(self) -> str:
        """ "met", "not met", or "open" where tables that do not count yet could still decide."""
        reached = sum(table.reached for table in self.tables)
        if reached >= TABLES_NEEDED:
            return MET
        undecided = sum(not table.counts for table in self.tables)
        return OPEN if reached + undecided >= TABLES_NEEDED else NOT_MET

    @property
    def comparisons(self) -> list[str]:
        """Each table's difference in words."""
        return [table.comparison.sentence for table in self.tables if table.comparison]

    @property
    def sentence(self) -> str:
        """The verdict in words."""
        reached = [str(table.number) for table in self.tables if table.reached]
        uncounted = [str(table.number) for table in self.tables if not table.counts]
        name = "AP" if self.measure == "ap" else self.measure
        text = (
            f"Criterion on {name} (at least {100 * POINTS:.0f} points over {self.baseline} in the "
            f"mean of at least {TABLES_NEEDED} of the 5 tables): {self.verdict}; reached on "
            f"{'table ' + ', '.join(reached) if reached else 'no table'}"
        )
        if uncounted:
            text += f"; not complete, so not counted: table {', '.join(uncounted)}"
        return text + "."


def criterion(
    system: Sequence[PaperTable],
    baseline: Sequence[PaperTable] | None,
    measure: str,
    *,
    names: tuple[str, str] = ("this system", PAPER),
) -> Criterion:
    """Applies the criterion; p-values of the comparisons are Holm-adjusted over the tables.

    Args:
        system, baseline: five tables each; None for the paper's own numbers.
        measure: "accuracy" or "ap"; others too where a baseline is given.
        names: of both.
    """
    others: Sequence[PaperTable | None] = baseline or [None] * len(system)
    pairs = zip(system, others, strict=True)
    tables = [_difference(table, other, measure, names) for table, other in pairs]
    adjusted = iter(adjust_together([t.comparison for t in tables if t.comparison]))
    tables = [
        dataclasses.replace(t, comparison=next(adjusted)) if t.comparison else t for t in tables
    ]
    return Criterion(measure, *names, tuple(tables))


def _difference(
    table: PaperTable, other: PaperTable | None, measure: str, names: tuple[str, str]
) -> TableDifference:
    of_system = {row.folder: row.values[measure] for row in table.rows}
    if other is None:
        of_baseline = {row.folder: np.array([row.published[measure]]) for row in table.rows}
    else:
        of_baseline = {row.folder: row.values[measure] for row in other.rows}
    generators = [
        name
        for name, values in of_system.items()
        if name in of_baseline and not np.isnan([*values, *of_baseline[name]]).any()
    ]
    if not generators:
        return TableDifference(table.number, np.nan, np.nan, False, None)
    grids = [np.array([values[g] for g in generators]) for values in (of_system, of_baseline)]
    ours, theirs = (float(grid.mean()) for grid in grids)
    if grids[0].shape != grids[1].shape:  # seeds cannot be paired
        grids = [grid.mean(axis=1, keepdims=True) for grid in grids]
    kind, seeds = f"Table {table.number}", tuple(range(grids[0].shape[1]))
    of_seeds = [np.ascontiguousarray(grid.T) for grid in grids]
    compared = compare_grids(names, of_seeds, measure, kind, seeds, tuple(generators))
    counts = len(generators) == len(table.entry.generators)
    return TableDifference(table.number, ours, theirs, counts, compared)
