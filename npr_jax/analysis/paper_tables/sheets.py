"""The five tables as text: the paper's layout, the measures behind it, and the means over all."""

from collections.abc import Mapping, Sequence

import numpy as np

from npr_jax.analysis.paper_tables.published import NPR, NPR_MEANS, OTHERS, PAPER
from npr_jax.analysis.paper_tables.tables import (
    MEAN,
    PUBLISHED,
    Intervals,
    PaperTable,
    Row,
    mean_of_tables,
    over_generators,
    published_mean,
)
from npr_jax.analysis.statistics.wording import count_of, points
from npr_jax.evaluation.text_tables import Cell, Sheet

NOTHING = "–"
PARTS = ("acc", "AP")
HEADS = {
    "accuracy": "acc",
    "real_accuracy": "real acc",
    "fake_accuracy": "fake acc",
    "best_accuracy": "best acc",
    "ap": "AP",
    "auc": "AUC",
}


def layout(table: PaperTable, system: str) -> Sheet:
    """One table as the paper prints it: methods down, generators across, accuracy and AP.

    A mean is over the generators that the system has; the paper's own mean over all stands beside
    it where these are not all.
    """
    rows = {row.folder: row for row in table.rows}
    entries = {g.folder: g.title for g in table.entry.generators}
    folders, number = list(NPR[table.number]), table.number - 1
    blank, unknown = [""] * len(folders), (NOTHING, NOTHING)
    lines: list[list[Cell]] = [
        [name, *blank, _printed(means[number])] for name, means in OTHERS.items()
    ]
    paper = [_printed(pair) for pair in NPR[table.number].values()]
    lines.append([PAPER, *paper, _printed(NPR_MEANS[number])])
    means = {metric: table.mean(metric) for metric in PUBLISHED}
    same = {metric: table.published(metric) for metric in PUBLISHED}
    if table.rows and not table.complete:
        name = f"{PAPER}, same {len(table.rows)} generators"
        lines.append([name, *blank, _percent(same)])
    ours = [_pair(rows[f].values) if f in rows else unknown for f in folders]
    gaps = [_gaps(rows[f].values, rows[f].published) if f in rows else unknown for f in folders]
    lines.append([system, *ours, _pair(means)])
    lines.append(["difference", *gaps, _gaps(means, same)])
    heads = ["", *(entries[folder] for folder in folders), "mean"]
    return Sheet(caption(table), heads, lines, PARTS)


def details(table: PaperTable, intervals: Intervals) -> Sheet:
    """Every measure of every generator, and their means, unweighted and weighted by images."""
    heads = ["generator", "photographs", "generated", *HEADS.values()]
    lines = []
    for row in table.rows:
        keys = [(table.number, row.folder, metric) for metric in HEADS]
        cells = [spread(row.values[key[-1]]) + _range(intervals.get(key)) for key in keys]
        lines.append([row.title, f"{row.n_photographs:,}", f"{row.n_generated:,}", *cells])
    for name, weighted in (("mean", False), ("image-weighted mean", True)):
        cells = [spread(over_generators(table.rows, m, weighted=weighted)) for m in HEADS]
        if not weighted:
            bounds = [_range(intervals.get((table.number, MEAN, metric))) for metric in HEADS]
            cells = [cell + bound for cell, bound in zip(cells, bounds, strict=True)]
        lines.append([name, "", "", *cells])
    return Sheet(caption(table), heads, lines)


def means_over_tables(tables: Sequence[PaperTable], system: str) -> Sheet:
    """Means of each table and of all of them: the others', the paper's, this system's."""
    heads = ["", *(f"Table {table.number}" for table in tables), "mean of tables"]
    everyone = {**OTHERS, PAPER: NPR_MEANS}
    lines: list[list[Cell]] = [
        [name, *map(_printed, means), _printed(tuple(np.mean(means, axis=0)))]
        for name, means in everyone.items()
    ]
    known = [table for table in tables if table.rows]
    means = [{metric: table.mean(metric) for metric in PUBLISHED} for table in tables]
    papers = [{metric: table.published(metric) for metric in PUBLISHED} for table in tables]
    over_all = {metric: mean_of_tables(known, metric) for metric in PUBLISHED}
    paper = {m: float(np.mean([t.published(m) for t in known])) for m in PUBLISHED}
    if not all(table.complete for table in tables):
        pairs = zip(tables, papers, strict=True)
        same = [_percent(mean) if table.rows else "" for table, mean in pairs]
        lines.append([f"{PAPER}, same generators", *same, _percent(paper)])
    lines.append([system, *map(_pair, means), _pair(over_all)])
    lines.append(["difference", *map(_gaps, means, papers), _gaps(over_all, paper)])
    return Sheet(f"Means over the tables; {_seeds(tables)}.", heads, lines, PARTS)


def all_measures(tables: Sequence[PaperTable]) -> Sheet:
    """Every measure over everything: each table once, each generator once, each image once."""
    known = [table for table in tables if table.rows]
    rows = [row for table in known for row in table.rows]
    lines = [["mean of tables", *(spread(mean_of_tables(known, metric)) for metric in HEADS)]]
    same_seeds = len({table.workdirs for table in known}) == 1
    kinds = (("mean of generators", False), ("image-weighted mean", True))
    for name, weighted in kinds:
        means = [over_generators(rows, metric, weighted=weighted) for metric in HEADS]
        lines.append([name, *(spread(mean) if same_seeds else NOTHING for mean in means)])
    for name, weighted in kinds:
        means = [np.array([published_mean(rows, m, weighted=weighted)]) for m in HEADS]
        lines.append([f"paper, {name}", *map(spread, means)])
    count = f"{len(known)} of 5 tables, {len(rows)} generators, {_images(rows)} images"
    return Sheet(f"All measures over {count}; {_seeds(tables)}.", ["", *HEADS.values()], lines)


def caption(table: PaperTable) -> str:
    """What the table was measured on."""
    protocol = table.entry.protocol["test"].note
    return (
        f"Table {table.number}: {table.entry.title}; {_images(table.rows)} images; "
        f"{count_of(len(table.workdirs), 'seed')}; protocol: {protocol}. In percent"
        f"{', mean ± standard deviation over seeds' if len(table.workdirs) > 1 else ''}."
    )


def spread(values: np.ndarray) -> str:
    """Mean over seeds in percent, with the standard deviation where there are several."""
    if not values.size or np.isnan(values).any():
        return NOTHING
    mean = f"{100 * values.mean():.1f}"
    return f"{mean} ± {100 * values.std(ddof=1):.1f}" if values.size > 1 else mean


def _pair(values: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    return tuple(spread(values[metric]) for metric in PUBLISHED)


def _printed(pair: Sequence[float]) -> tuple[str, ...]:
    return tuple(f"{value:.1f}" for value in pair)


def _percent(values: Mapping[str, float]) -> tuple[str, ...]:
    return _printed([100 * values[metric] for metric in PUBLISHED])


def _gaps(values: Mapping[str, np.ndarray], paper: Mapping[str, float]) -> tuple[str, ...]:
    """Differences from the paper in points."""
    gaps = [float(values[m].mean()) - paper[m] if values[m].size else np.nan for m in PUBLISHED]
    return tuple(NOTHING if np.isnan(gap) else points(gap) for gap in gaps)


def _range(bounds: tuple[float, float] | None) -> str:
    return f" [{100 * bounds[0]:.1f}–{100 * bounds[1]:.1f}]" if bounds else ""


def _images(rows: Sequence[Row]) -> str:
    return f"{round(sum(row.weight for row in rows)):,}"


def _seeds(tables: Sequence[PaperTable]) -> str:
    counts = sorted({len(table.workdirs) for table in tables if table.rows})
    return count_of(counts[0], "seed") if len(counts) == 1 else f"{counts[0]} to {counts[-1]} seeds"
