"""Tables 1 to 5 of the NPR paper beside this system, where its data sets were evaluated."""

from __future__ import annotations

from collections.abc import Sequence

from npr_jax.analysis import basis, markup, table_sheets
from npr_jax.analysis.criterion import criterion
from npr_jax.analysis.paper_tables import PUBLISHED, PaperTable, read_paper_tables
from npr_jax.analysis.published import PAPER
from npr_jax.analysis.run_results import Run
from npr_jax.analysis.table_export import missing_lines, system_name
from npr_jax.evaluation.text_tables import Cell, Sheet

EXPLANATION = (
    "Tan et al., CVPR 2024: its numbers as printed, those of this system, and the difference in "
    "points to the paper’s numbers of the same generators. Accuracy at probability 0.5, below it "
    "AP, in percent."
)


def paper_tables(run: Run) -> list[str]:
    """The tables, their means and the criterion; nothing where none was evaluated."""
    tables = read_paper_tables([run.workdir])
    if not any(table.rows for table in tables):
        return []
    system = system_name([run.workdir])
    metas = [evaluation.results["meta"] for evaluation in run.evaluations]
    one_run = basis.one_run(next(meta for meta in metas if meta.get("catalogue")))
    parts = [
        markup.heading("The five tables of the NPR paper"),
        markup.note(f"{EXPLANATION} This system: {system}, {one_run}."),
        _beside_paper(table_sheets.means_over_tables(tables, system)),
        _criterion(tables, system),
    ]
    for table in tables:
        if table.rows:
            parts += [
                _beside_paper(table_sheets.layout(table, system)),
                *map(markup.note, table.notes),
            ]
    overall = table_sheets.all_measures(tables)
    parts.append(
        markup.table(overall.heads, [_cells(row) for row in overall.rows], overall.caption)
    )
    if missing := missing_lines(tables):
        parts += [markup.heading("Missing", level=3), _list(missing)]
    return parts


def _criterion(tables: Sequence[PaperTable], system: str) -> str:
    """The verdict on each measure, and below it each table's difference with its test."""
    names = system, PAPER if system != PAPER else f"{PAPER} (baseline)"
    said = []
    for measure in PUBLISHED:
        found = criterion(tables, None, measure, names=names)
        compared = [table.comparison.sentence for table in found.tables if table.comparison]
        said.append(f"<p>{markup.escape(found.sentence)}</p>{_list(compared)}")
    return "".join(said)


def _beside_paper(sheet: Sheet) -> str:
    """A sheet whose last rows are this system and its difference, which stay there when sorted."""
    *others, system, difference = (_cells(row) for row in sheet.rows)
    heads = [markup.escape(head) for head in sheet.heads]
    return markup.table(heads, others, sheet.caption, fixed=[system], apart=[difference])


def _cells(row: Sequence[Cell]) -> list[str]:
    name, *values = row
    cells = [
        markup.cell(value) if isinstance(value, str) else markup.cell(*value) for value in values
    ]
    return [markup.head(str(name)), *cells]


def _list(lines: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{markup.escape(line)}</li>' for line in lines)}</ul>"
