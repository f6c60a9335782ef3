"""On disk: the five tables, and two systems on every evaluation that both have."""

import os
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.storage.atomic_files import write_together
from input_pipeline.storage.csv_files import csv_text
from npr_jax.analysis.paper_tables import sheets
from npr_jax.analysis.paper_tables.criterion import Criterion, criterion
from npr_jax.analysis.paper_tables.published import PAPER
from npr_jax.analysis.paper_tables.tables import (
    MEAN,
    PUBLISHED,
    Intervals,
    PaperTable,
    Row,
    image_intervals,
    mean_of_tables,
    over_generators,
    published_mean,
    read_paper_tables,
)
from npr_jax.analysis.run_results import read_results
from npr_jax.analysis.statistics.bootstrap import bootstrap_seeds
from npr_jax.analysis.statistics.paired_tests import PairedTest
from npr_jax.analysis.statistics.systems import SystemsComparison, common_images, compare_systems
from npr_jax.evaluation.results import read_scores
from npr_jax.evaluation.tables import METRICS
from npr_jax.evaluation.text_tables import Sheet, latex, markdown

NAME = "paper_tables"
_COLUMNS = (
    "table", "dataset", "kind", "generator", "title", "n_seeds",
    "n_photographs", "n_generated", "images",
    *(metric + end for metric in METRICS for end in ("", "_std", "_low", "_high")),
    *(name for metric in PUBLISHED for name in (f"paper_{metric}", f"{metric}_difference")),
)  # fmt: skip
_COMPARED = (
    "a", "b", "evaluation", "generator", "measure", "n_photographs", "n_generated",
    "value_a", "value_b", "difference", "low", "high", "test", "n", "p_value",
    "adjusted_p", "smallest_p", "effect_name", "effect",
)  # fmt: skip
_Found = tuple[str, str, str, SystemsComparison]  # a, b, evaluation
Path = str | os.PathLike[str]
_INTRODUCTION = (
    "Accuracy at probability 0.5 and AP in percent, as in the tables of the NPR paper (Tan et al., "
    "CVPR 2024), whose own numbers stand beside them; then the accuracy of photographs (real) and "
    "of generated images (fake) alone, at the threshold that suits these very images best (an "
    "upper limit), and AUC. "
    "Differences are in points, to the paper's numbers of the same generators."
)


def report_tables(
    workdirs: Sequence[Path],
    output: Path,
    *,
    baseline: Sequence[Path] = (),
    intervals: bool = False,
) -> list[str]:
    """Writes the five tables and, with a baseline, the comparison; what `report` says of them.

    Raises:
        ValueError: see ``write_paper_tables``; or a baseline that shares no evaluation with the
            workdirs.
    """
    lines = []
    if files := write_paper_tables(workdirs, output, baseline=baseline, intervals=intervals):
        lines += missing_lines(read_paper_tables(workdirs))
        lines += [f"tables: {path}" for path in files]
    if baseline:
        compared = write_comparison(workdirs, baseline, output)
        if not compared:
            raise UserError(
                f"--baseline={','.join(map(str, baseline))} has no evaluation that "
                f"{', '.join(map(str, workdirs))} has too; evaluate both on the same data, split "
                "and delivery"
            )
        lines += [f"comparison: {path}" for path in compared]
    return lines


def write_paper_tables(
    workdirs: Sequence[Path],
    output: Path,
    *,
    baseline: Sequence[Path] = (),
    intervals: bool = False,
) -> list[pathlib.Path]:
    """Writes the tables of a system, one workdir per seed, to a directory; gives the files.

    There are none if no workdir holds an evaluation of one of the five tables.

    Args:
        baseline: workdirs of the system that the criterion compares with; none: the paper's NPR.
        intervals: bootstrap intervals of every generator's measures, over images and seeds; takes
            minutes.

    Raises:
        ValueError: a directory or file that cannot be read.
    """
    tables = read_paper_tables(workdirs)
    if not any(table.rows for table in tables):
        return []
    other = read_paper_tables(baseline) if baseline else None
    names = system_name(workdirs), system_name(baseline) if baseline else PAPER
    if names[0] == names[1]:
        names = names[0], f"{names[1]} (baseline)"
    bounds = image_intervals(tables) if intervals else {}
    criteria = [criterion(tables, other, measure, names=names) for measure in PUBLISHED]
    contents = {
        f"{NAME}.csv": csv_text(_COLUMNS, _csv_rows(tables, bounds)),
        f"{NAME}.md": _markdown(tables, names[0], workdirs, criteria, bounds),
        f"{NAME}.tex": _latex(tables, names[0], bounds),
    }
    return write_together(output, contents)


def missing_lines(tables: Sequence[PaperTable]) -> list[str]:
    """One line for each table that lacks generators."""
    lines = []
    for table in tables:
        if not table.rows:
            lines.append(f"Table {table.number} ({table.entry.name}): not evaluated")
        elif table.missing:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in table.missing.items())
            lines.append(f"Table {table.number} ({table.entry.name}) lacks {reasons}")
    return lines


def _markdown(
    tables: Sequence[PaperTable],
    system: str,
    workdirs: Sequence[Path],
    criteria: Sequence[Criterion],
    intervals: Intervals,
) -> str:
    parts = ["# Tables 1 to 5", f"{system}, from {', '.join(map(str, workdirs))}. {_INTRODUCTION}"]
    if missing := missing_lines(tables):
        parts += ["**Missing:**", _bullets(missing)]
    for sheet in (sheets.means_over_tables(tables, system), sheets.all_measures(tables)):
        parts += [sheet.caption, markdown(sheet)]
    parts.append("## The criterion")
    for verdict in criteria:
        parts += [verdict.sentence, _bullets(verdict.comparisons)]
    for table in tables:
        if table.rows:
            parts += [f"## Table {table.number}", sheets.caption(table)]
            parts += [_bullets(table.notes)] if table.notes else []
            parts.append(markdown(sheets.layout(table, system)))
            if intervals:
                parts.append("In brackets: 95 % bootstrap intervals over images (and seeds).")
            parts.append(markdown(sheets.details(table, intervals)))
    return "\n\n".join(parts) + "\n"


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _latex(tables: Sequence[PaperTable], system: str, intervals: Intervals) -> str:
    labelled: dict[str, Sheet] = {
        "tables": sheets.means_over_tables(tables, system),
        "all": sheets.all_measures(tables),
    }
    for table in tables:
        if table.rows:
            labelled[f"table{table.number}"] = sheets.layout(table, system)
            labelled[f"measures{table.number}"] = sheets.details(table, intervals)
    head = "% Needs \\usepackage{booktabs,graphicx}.\n"
    head += "".join(f"% Missing: {line}\n" for line in missing_lines(tables))
    return head + "\n".join(latex(s, f"tab:{label}") for label, s in labelled.items()) + "\n"


def system_name(workdirs: Sequence[Path]) -> str:
    """The model that the evaluations name, and its published weights."""
    metas = [r["meta"] for workdir in workdirs for r in read_results(workdir).values()]
    models = dict.fromkeys(
        f"{meta['model']} ({meta['weights']})" if meta.get("weights") else str(meta["model"])
        for meta in metas
    )
    return " and ".join(models)


def _csv_rows(tables: Sequence[PaperTable], intervals: Intervals) -> Iterator[dict[str, Any]]:
    """All tables and the means over them; values from 0 to 1, what is unknown is empty.

    `_std` is the standard deviation over seeds; `_low` and `_high` are a 95 % interval of the mean
    over seeds, or over images and seeds where `intervals` has one.
    """
    for table in tables:
        common = {"table": table.number, "dataset": table.entry.name}
        common |= {"n_seeds": len(table.workdirs)}
        for row in table.rows:
            names = {"kind": "generator", "generator": row.folder, "title": row.title}
            counts = {"n_photographs": row.n_photographs, "n_generated": row.n_generated}
            bounds = _of(intervals, table.number, row.folder)
            cells = _cells(row.values, row.published, bounds)
            yield {**common, **names, **counts, "images": row.weight, **cells}
        for generator, reason in table.missing.items():
            yield {**common, "kind": f"missing: {reason}", "generator": generator}
        if table.rows:
            yield from _means(common, table.rows, _of(intervals, table.number, MEAN))
    known = [table for table in tables if table.rows]
    means = {metric: mean_of_tables(known, metric) for metric in METRICS}
    paper = {m: float(np.mean([table.published(m) for table in known])) for m in PUBLISHED}
    yield {"table": "all", "kind": "mean of tables", **_cells(means, paper, {})}
    if len({table.workdirs for table in known}) == 1:
        everything = [row for table in known for row in table.rows]
        common = {"table": "all", "n_seeds": len(known[0].workdirs)}
        yield from _means(common, everything, {})


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
    bounds: Mapping[str, tuple[float, float]],
) -> dict[str, float]:
    """Mean, deviation and interval of values [s] of each metric, and the paper's numbers."""
    cells = {}
    for metric, numbers in values.items():
        if not numbers.size or np.isnan(numbers).any():
            continue
        over_seeds = bootstrap_seeds(numbers)
        cells[metric] = over_seeds.mean
        interval = bounds.get(metric)
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


def write_comparison(
    workdirs: Sequence[Path], baseline: Sequence[Path], output: Path
) -> list[pathlib.Path]:
    """Compares workdirs, one for each seed, with those of the baseline; gives the files.

    The first is compared with the first and so on, what has no partner is left out. There are no
    files if no two have an evaluation of the same name. The output is made where missing.

    Raises:
        ValueError: a file that cannot be read, or evaluations of one name without a common image.
    """
    found = list(_comparisons(workdirs, baseline))
    if not found:
        return []
    contents = {
        "comparison.csv": csv_text(_COMPARED, _rows(found)),
        "comparison.md": _compared(found),
    }
    return write_together(output, contents)


def _comparisons(workdirs: Sequence[Path], baseline: Sequence[Path]) -> Iterator[_Found]:
    for a, b in zip(workdirs, baseline, strict=False):
        of_b = read_results(b)
        for name in read_results(a):
            if name in of_b:
                folders = (pathlib.Path(workdir) / "evaluation" / name for workdir in (a, b))
                scores = [read_scores(folder / "scores.csv") for folder in folders]
                try:
                    compared = compare_systems(*common_images(*scores))
                except ValueError as error:
                    raise UserError(f"evaluation {name} of {a} and {b}: {error}") from error
                yield os.fspath(a), os.fspath(b), name, compared


def _compared(found: Sequence[_Found]) -> str:
    parts = [
        "# Two systems on the same images",
        "Every difference is the first system minus the second; accuracies at probability 0.5. "
        "DeLong's test compares AUC, McNemar's exact test accuracy, both on the images, with "
        "p-values Holm-adjusted over the generators. These tests know the seeds at hand alone.",
    ]
    for a, b, name, compared in found:
        parts += [f"## {a} and {b} on {name}", _bullets(compared.sentences(a, b))]
    return "\n\n".join(parts) + "\n"


def _rows(found: Sequence[_Found]) -> Iterator[dict[str, Any]]:
    for a, b, name, compared in found:
        common = {"a": a, "b": b, "evaluation": name}
        for one in compared.images:
            values = {"value_a": one.a, "value_b": one.b, "difference": one.a - one.b}
            yield {**_test(one.test), **vars(one), **values, "test": one.test.name, **common}
        for key, tests in compared.generators.items():
            x, y = compared.means[key]
            values = {"value_a": x, "value_b": y, "difference": x - y}
            for test in tests:
                yield {**common, "generator": "mean", "measure": key, **values, **_test(test)}


def _test(test: PairedTest) -> dict[str, Any]:
    """The columns of a test; an interval that is not known is empty."""
    return {key: value for key, value in vars(test).items() if value == value} | {"test": test.name}
