"""Tables 1 to 5 on disk: `paper_tables.csv`, `.md` and `.tex`."""

import os
import pathlib
from collections.abc import Sequence

from input_pipeline.errors import UserError
from input_pipeline.storage.atomic_files import write_together
from npr_jax.analysis.paper_tables import sheets as table_sheets
from npr_jax.analysis.paper_tables.comparison import write_comparison
from npr_jax.analysis.paper_tables.criterion import Criterion, criterion
from npr_jax.analysis.paper_tables.csv_file import tables_csv
from npr_jax.analysis.paper_tables.intervals import Intervals, image_intervals
from npr_jax.analysis.paper_tables.published import PAPER
from npr_jax.analysis.paper_tables.tables import PUBLISHED, PaperTable, read_paper_tables
from npr_jax.analysis.run_results import read_results
from npr_jax.evaluation.text_tables import Sheet, latex, markdown

NAME = "paper_tables"
_INTRODUCTION = (
    "Accuracy at probability 0.5 and AP in percent, as in the tables of the NPR paper (Tan et al., "
    "CVPR 2024), whose own numbers stand beside them; then the accuracy of photographs (real) and "
    "of generated images (fake) alone, at the threshold that suits these very images best (an "
    "upper limit), and AUC. "
    "Differences are in points, to the paper's numbers of the same generators."
)


def report_tables(
    workdirs: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    baseline: Sequence[str | os.PathLike[str]] = (),
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
                f"{_join(workdirs)} has too; evaluate both on the same data, split and delivery"
            )
        lines += [f"comparison: {path}" for path in compared]
    return lines


def write_paper_tables(
    workdirs: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    baseline: Sequence[str | os.PathLike[str]] = (),
    intervals: bool = False,
) -> list[pathlib.Path]:
    """Writes the tables of a system, one workdir per seed.

    Args:
        workdirs: of the system.
        output: directory, made where missing.
        baseline: workdirs of the system that the criterion compares with; none: the paper's NPR.
        intervals: bootstrap intervals of every generator's measures, over images and seeds; takes
            minutes.

    Returns:
        The files; none if no workdir holds an evaluation of one of the five tables.

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
        f"{NAME}.csv": tables_csv(tables, bounds),
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
    workdirs: Sequence[str | os.PathLike[str]],
    criteria: Sequence[Criterion],
    intervals: Intervals,
) -> str:
    parts = ["# Tables 1 to 5", f"{system}, from {_join(workdirs)}. {_INTRODUCTION}"]
    if missing := missing_lines(tables):
        parts += ["**Missing:**", "\n".join(f"- {line}" for line in missing)]
    for sheet in (
        table_sheets.means_over_tables(tables, system),
        table_sheets.all_measures(tables),
    ):
        parts += [sheet.caption, markdown(sheet)]
    parts.append("## The criterion")
    for verdict in criteria:
        parts.append(verdict.sentence)
        parts.append("\n".join(f"- {sentence}" for sentence in verdict.comparisons))
    for table in tables:
        if table.rows:
            parts += _section(table, system, intervals)
    return "\n\n".join(parts) + "\n"


def _section(table: PaperTable, system: str, intervals: Intervals) -> list[str]:
    parts = [f"## Table {table.number}", table_sheets.caption(table)]
    if table.notes:
        parts.append("\n".join(f"- {note}" for note in table.notes))
    parts.append(markdown(table_sheets.layout(table, system)))
    if intervals:
        parts.append("In brackets: 95 % bootstrap intervals over images (and seeds).")
    return [*parts, markdown(table_sheets.details(table, intervals))]


def _latex(tables: Sequence[PaperTable], system: str, intervals: Intervals) -> str:
    sheets: list[tuple[str, Sheet]] = [
        ("tables", table_sheets.means_over_tables(tables, system)),
        ("all", table_sheets.all_measures(tables)),
    ]
    for table in tables:
        if table.rows:
            sheets.append((f"table{table.number}", table_sheets.layout(table, system)))
            sheets.append((f"measures{table.number}", table_sheets.details(table, intervals)))
    head = "% Needs \\usepackage{booktabs,graphicx}.\n"
    missing = "".join(f"% Missing: {line}\n" for line in missing_lines(tables))
    return (
        head + missing + "\n".join(latex(sheet, f"tab:{label}") for label, sheet in sheets) + "\n"
    )


def system_name(workdirs: Sequence[str | os.PathLike[str]]) -> str:
    """The model that the evaluations name, and its published weights."""
    metas = [r["meta"] for workdir in workdirs for r in read_results(workdir).values()]
    models = dict.fromkeys(
        f"{meta['model']} ({meta['weights']})" if meta.get("weights") else str(meta["model"])
        for meta in metas
    )
    return " and ".join(models)


def _join(workdirs: Sequence[str | os.PathLike[str]]) -> str:
    return ", ".join(os.fspath(workdir) for workdir in workdirs)
