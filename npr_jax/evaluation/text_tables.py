"""A table of text as Markdown and as LaTeX (packages booktabs and graphicx)."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

Cell = str | tuple[str, ...]

_LATEX = {
    "\\": r"\textbackslash{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "−": "$-$",
    "–": "--",
    "×": r"$\times$",
    "≥": r"$\geq$",
}


class Sheet(NamedTuple):
    """One table."""

    caption: str  # what it shows: data, images, seeds
    heads: Sequence[str]  # of the columns
    rows: Sequence[Sequence[Cell]]  # a cell for each head. A tuple has as many parts as `parts`
    # names of the parts of every cell but the first; empty where cells are plain
    parts: tuple[str, ...] = ()


def markdown(sheet: Sheet) -> str:
    """The table with padded columns, parts of a cell joined by a slash; without the caption."""
    lines = [
        [_joined(cell).replace("|", "\\|") for cell in row] for row in (sheet.heads, *sheet.rows)
    ]
    widths = [max(len(line[column]) for line in lines) for column in range(len(sheet.heads))]
    lines.insert(1, ["-" * width for width in widths])
    padded = ([c.ljust(w) for c, w in zip(line, widths, strict=True)] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in padded)


def latex(sheet: Sheet, label: str) -> str:
    """A table environment as wide as the text, each part of a cell a column of its own."""
    span = max(1, len(sheet.parts))
    numbers = span * (len(sheet.heads) - 1)
    first, *others = map(escape_latex, sheet.heads)
    if span > 1:
        others = [rf"\multicolumn{{{span}}}{{c}}{{{head}}}" for head in others]
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape_latex(sheet.caption)}}}",
        rf"\label{{{label}}}",
        r"\resizebox{\textwidth}{!}{%",
        rf"\begin{{tabular}}{{l{'r' * numbers}}}",
        r"\toprule",
        _latex_row([first, *others]),
    ]
    if span > 1:
        parts = [escape_latex(part) for part in sheet.parts]
        lines.append(_latex_row(["", *(parts * (len(sheet.heads) - 1))]))
    lines.append(r"\midrule")
    for name, *cells in sheet.rows:
        flat = [part for cell in cells for part in _spread(cell, span)]
        lines.append(_latex_row(map(escape_latex, [_joined(name), *flat])))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}}", r"\end{table}"])


def escape_latex(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(_LATEX.get(character, character) for character in text)


def _latex_row(cells: Iterable[str]) -> str:
    return f"{' & '.join(cells)} \\\\"


def _joined(cell: Cell) -> str:
    return cell if isinstance(cell, str) else " / ".join(cell)


def _spread(cell: Cell, span: int) -> tuple[str, ...]:
    return cell if isinstance(cell, tuple) else (cell, *[""] * (span - 1))
