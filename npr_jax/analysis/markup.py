"""Small pieces of HTML: headings, tables, cells, figures. Text from outside is escaped here."""

import html
import re
from collections.abc import Sequence

from npr_jax.analysis import inline_svg, summary

escape = html.escape
Row = Sequence[str]


def slug(words: str) -> str:
    """The words as an identifier: lower-case letters, digits and hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")


def heading(title: str, level: int = 2) -> str:
    """A heading; those of level 2 enter the page's contents."""
    return f"<h{level}>{escape(title)}</h{level}>"


def note(words: str) -> str:
    """A paragraph in small print: what numbers are, and on what they were measured."""
    return f'<p class="soft">{escape(words)}</p>'


def table(
    head: Row,
    rows: Sequence[Row],
    caption: str = "",
    fixed: Sequence[Row] = (),
    apart: Sequence[Row] = (),
) -> str:
    """A table, which readers can sort by any column.

    Args:
        head: HTML of the columns' heads; none of them has any: a list of keys and values, unsorted.
        rows: lists of cells.
        caption: what was measured, on which and how many images, with how many seeds.
        fixed: rows that stay below the others however these are sorted: means.
        apart: rows below them, such as controls, which are in no mean.
    """
    header = "".join(
        f'<th scope="col"{_column_class(rows, column)}>{name}</th>'
        for column, name in enumerate(head)
    )
    top = f"<thead><tr>{header}</tr></thead>" if any(head) else ""
    bodies = _body(rows, "") + _body(fixed, ' class="mean"') + _body(apart, ' class="apart"')
    words = f"<caption><span>{escape(caption)}</span></caption>" if caption else ""
    kind = ' class="sortable"' if top and len(rows) > 1 else ""
    return f'<div class="scroll"><table{kind}>{words}{top}{bodies}</table></div>'


def head(name: str) -> str:
    """The first cell of a row."""
    return f'<th scope="row" title="{escape(name)}">{escape(name)}</th>'


def cell(value: str, small: str = "") -> str:
    """A number, with small print below it."""
    return f"<td>{escape(value)}{f'<small>{escape(small)}</small>' if small else ''}</td>"


def text(value: str, kind: str = "text") -> str:
    """Words, aligned left; of `kind` "long" they may wrap."""
    return f'<td class="{kind}">{escape(value)}</td>'


def share(value: float | None, interval: Sequence[float] | None = None) -> str:
    """A share in percent, with its interval below it."""
    small = f"{100 * interval[0]:.0f}–{100 * interval[1]:.0f}" if interval else ""
    return cell(summary.percent(value), small)


def image(uri: str, alt: str) -> str:
    """A raster image, with what it shows in words."""
    return f'<img src="{uri}" alt="{escape(alt)}">'


def figure(svg: str, alt: str, caption: str, wide: bool = False) -> str:
    """A drawing with a caption below it; the page offers it as a file named by `alt`.

    A `wide` one keeps its own size, and scrolls inside its box where the screen is narrower.
    """
    drawing = inline_svg.embed(svg, alt)
    kind, content = "figure", drawing
    if wide:
        kind, content = "figure wide", f'<div class="scroll">{drawing}</div>'
    return (
        f'<figure class="{kind}" data-name="{slug(alt)}">{content}'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def panels(drawings: Sequence[tuple[str, str]]) -> str:
    """A grid of small drawings, (SVG text, what it shows) each; their titles say the rest."""
    cells = (
        f'<figure class="panel" data-name="{slug(alt)}">{inline_svg.embed(svg, alt)}</figure>'
        for svg, alt in drawings
    )
    return f'<div class="panels">{"".join(cells)}</div>'


def _body(rows: Sequence[Row], attributes: str) -> str:
    lines = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return f"<tbody{attributes}>{lines}</tbody>" if rows else ""


def _column_class(rows: Sequence[Row], column: int) -> str:
    words = all(len(row) > column and row[column].startswith('<td class="') for row in rows)
    return ' class="text"' if rows and words else ""
