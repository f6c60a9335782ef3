"""The tables of docs/formats.md, of what `docs.research.decoder_traces` has measured."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Mapping, Sequence

from docs.research.decoder_traces import EVEN, FOLDER, FOUND, ODD
from docs.research.decoders import OURS
from input_pipeline.storage.csv_files import read_csv

Row = Mapping[str, str]
ODD_COLUMN = " odd"
# Kinds of made pictures whose odd sides are shown beside the even ones.
_ODD_TOO = ("JPEG 4:2:0", "AVIF 4:2:0")


def read_rows(path: pathlib.Path) -> list[dict[str, str]]:
    """The rows of the CSV; none where there is none."""
    return read_csv(path)[1] if path.is_file() else []


def made_block(rows: Sequence[Row]) -> str:
    """Markdown: the residuals of pictures that were made, a row for each decoder."""
    if not rows:
        return _nothing()
    columns: dict[str, dict[str, Row]] = {}
    for row in rows:
        if row["pictures"] == EVEN:
            columns.setdefault(row["file"], {})[row["decoder"]] = row
        elif row["pictures"] == ODD and row["file"] in _ODD_TOO:
            columns.setdefault(row["file"] + ODD_COLUMN, {})[row["decoder"]] = row
    order = sorted(columns, key=lambda name: list(columns).index(name.removesuffix(ODD_COLUMN)))
    count = max((row["count"] for row in rows if row["pictures"] == EVEN), default="0", key=int)
    return "\n".join(
        [
            *_lines({name: columns[name] for name in order}, _residuals),
            "",
            f"{count} pictures of 192 pixels a side, of 191 where it says odd. {_measured(rows)}",
        ]
    )


def found_block(rows: Sequence[Row]) -> str:
    """Markdown: residuals and logits of photographs, a row for each decoder."""
    found = [row for row in rows if row["pictures"] == FOUND]
    if not found:
        return _nothing()
    columns: dict[str, dict[str, Row]] = {}
    for row in found:
        columns.setdefault(row["file"], {})[row["decoder"]] = row
    spreads = sorted(float(row["spread"]) for row in found)
    other = [row for row in found if float(row["changed"])]
    verdicts = sum(int(row["verdicts"]) for row in other)
    return "\n".join(
        [
            *_lines(columns, lambda row: f"{_residuals(row)}; {_shift(row)}"),
            "",
            f"{max(int(row['count']) for row in found)} photographs; the spread of their logits is "
            f"{spreads[0]:.2f} to {spreads[-1]:.2f}, by the format. Where pixels differ, "
            f"{verdicts} of {sum(int(row['count']) for row in other)} verdicts do. "
            f"Detector {found[0]['detector']}. {_measured(rows)}",
        ]
    )


def _lines(columns: Mapping[str, Mapping[str, Row]], cell: Callable[[Row], str]) -> list[str]:
    """A table; decoders that give the reference's pixels wherever they read share one row each."""
    names = list(dict.fromkeys(name for column in columns.values() for name in column))
    alike: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        cells = tuple(_cell(column.get(name), cell) for column in columns.values())
        if name != OURS:
            alike.setdefault(cells, []).append(_called(name, columns))
    head = [f"| decoder | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    return head + [
        f"| {', '.join(decoders)} | {' | '.join(cells)} |"
        for cells, decoders in alike.items()
        if any(cells)
    ]


def _called(name: str, columns: Mapping[str, Mapping[str, Row]]) -> str:
    version = next(column[name]["version"] for column in columns.values() if name in column)
    return f"{name} {version}" if version and not name.startswith(("libjpeg", "Moz")) else name


def _cell(row: Row | None, cell: Callable[[Row], str]) -> str:
    if row is None:
        return ""
    return "=" if float(row["changed"]) == 0 else cell(row)


def _residuals(row: Row) -> str:
    return f"{float(row['colour']):.2f}, {float(row['luma']):.3f}"


def _shift(row: Row) -> str:
    return f"{float(row['shift']):.2f} ({float(row['shift_largest']):.2f})"


def _measured(rows: Sequence[Row]) -> str:
    return f"Measured {' and '.join(sorted({row['date'] for row in rows}))}."


def _nothing() -> str:
    return f"Not measured yet: `docs/results/{FOLDER}/realworld.csv` is not there."
