"""Small pieces of HTML: tables, cells, figures. Text that comes from outside is escaped here."""

import html
from collections.abc import Sequence

from npr_jax.analysis import summary

TEXT_COLUMNS = ("pairing", "class", "delivery")  # aligned left

escape = html.escape


def table(head: Sequence[str], rows: Sequence[Sequence[str] | str]) -> str:
    """A table from a head (HTML) and rows: lists of cells, or whole rows."""
    header = "".join(
        f"<th{' class=text' if name in TEXT_COLUMNS else ''}>{name}</th>" for name in head
    )
    lines = [row if isinstance(row, str) else f"<tr>{''.join(row)}</tr>" for row in rows]
    top = f"<thead><tr>{header}</tr></thead>" if any(head) else ""
    return f'<div class="scroll"><table>{top}<tbody>{"".join(lines)}</tbody></table></div>'


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
    """An image, with what it shows in words."""
    return f'<img src="{uri}" alt="{escape(alt)}">'


def figure(uri: str, alt: str, caption: str) -> str:
    """An image with a caption below it."""
    return (
        f'<figure class="figure">{image(uri, alt)}'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )
