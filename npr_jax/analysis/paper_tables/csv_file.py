"""The five tables as one CSV: a line for every generator, every mean and everything missing."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from input_pipeline.storage.csv_files import csv_text
from npr_jax.analysis.paper_tables.intervals import MEAN, Intervals
from npr_jax.analysis.paper_tables.tables import (
    PUBLISHED,
    PaperTable,
    Row,
    mean_of_tables,
    over_generators,
    published_mean,
)
from npr_jax.analysis.statistics.bootstrap import bootstrap_seeds
from npr_jax.evaluation.tables import METRICS

COLUMNS = (
    *("table", "dataset", "kind", "generator", "title", "n_seeds"),
    *("n_photographs", "n_generated", "images"),
    *(metric + end for metric in METRICS for end in ("", "_std", "_low", "_high")),
    *(name for metric in PUBLISHED for name in (f"paper_{metric}", f"{metric}_difference")),
)


def tables_csv(tables: Sequence[PaperTable], intervals: Intervals) -> str:
    """All tables and the means over them; values from 0 to 1, what is unknown is empty.

    `_std` is the standard deviation over seeds; `_low` and `_high` are a 95 % interval of the mean
    over seeds, or over images and seeds where `intervals` has one.
    """
    return csv_text(COLUMNS, _all_rows(tables, intervals))


def _all_rows(tables: Sequence[PaperTable], intervals: Intervals) -> Iterator[dict[str, Any]]:
    for table in tables:
        yield from _rows(table, intervals)
    known = [table for table in tables if table.rows]
    means = {metric: mean_of_tables(known, metric) for metric in METRICS}
    paper = {m: float(np.mean([table.published(m) for table in known])) for m in PUBLISHED}
    yield {"table": "all", "kind": "mean of tables", **_cells(means, paper)}
    if len({table.workdirs for table in known}) == 1:
        everything = [row for table in known for row in table.rows]
        common = {"table": "all", "n_seeds": len(known[0].workdirs)}
        yield from _means(common, everything, {})


def _rows(table: PaperTable, intervals: Intervals) -> Iterator[dict[str, Any]]:
    common = {"table": table.number, "dataset": table.entry.name, "n_seeds": len(table.workdirs)}
    for row in table.rows:
        names = {"kind": "generator", "generator": row.folder, "title": row.title}
        counts = {"n_photographs": row.n_photographs, "n_generated": row.n_generated}
        cells = _cells(row.values, row.published, _of(intervals, table.number, row.folder))
        yield {**common, **names, **counts, "images": row.weight, **cells}
    for generator, reason in table.missing.items():
        yield {**common, "kind": f"missing: {reason}", "generator": generator}
    if table.rows:
        yield from _means(common, table.rows, _of(intervals, table.number, MEAN))


def _means(
    common: Mapping[str, Any], rows: Sequence[Row], bounds: Mapping[str, tuple[float, float]]
) -> Iterator[dict[str, Any]]:
    images = sum(row.weight for row in rows)
    for kind, weighted in (("mean", False), ("image-weighted mean", True)):
        values = {m: over_generators(rows, m, weighted=weighted) for m in METRICS}
        paper = {m: published_mean(rows, m, weighted=weighted) for m in PUBLISHED}
        cells = _cells(values, paper, {} if weighted else bounds)
        yield {**common, "kind": kind, "images": images, **cells}


def _of(intervals: Intervals, table: int, name: str) -> dict[str, tuple[float, float]]:
    """{metric: interval} of one generator or the mean."""
    keys = {metric: (table, name, metric) for metric in METRICS}
    return {metric: intervals[key] for metric, key in keys.items() if key in intervals}


def _cells(
    values: Mapping[str, np.ndarray],
    paper: Mapping[str, float],
    bounds: Mapping[str, tuple[float, float]] | None = None,
) -> dict[str, float]:
    """Mean, deviation and interval of values [s] of each metric, and the paper's numbers."""
    cells = {}
    for metric, numbers in values.items():
        if not numbers.size or np.isnan(numbers).any():
            continue
        over_seeds = bootstrap_seeds(numbers)
        cells[metric] = over_seeds.mean
        interval = (bounds or {}).get(metric)
        if numbers.size > 1:
            cells[f"{metric}_std"] = over_seeds.std
            interval = interval or over_seeds.interval
        if interval:
            cells |= {f"{metric}_low": interval[0], f"{metric}_high": interval[1]}
    for metric, value in paper.items():
        cells[f"paper_{metric}"] = round(value, 6)
        if metric in cells:
            cells[f"{metric}_difference"] = cells[metric] - value
    return cells
