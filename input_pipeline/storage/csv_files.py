"""CSV tables: UTF-8, names of files in them whatever their bytes."""

import csv
import io
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

from input_pipeline.storage.atomic_files import whole_file

Row = Mapping[str, Any] | Sequence[Any]


def csv_text(columns: Sequence[str], rows: Iterable[Row]) -> str:
    """A table as text: a line of columns, then one per row.

    Args:
      columns: their names, in order.
      rows: cells in the order of the columns, or {column: cell}; a missing cell and None are empty,
        a cell of no column is left out.
    """
    text = io.StringIO(newline="")
    write_rows(text, columns, rows)
    return text.getvalue()


def write_csv(
    path: str | os.PathLike[str],
    columns: Sequence[str],
    rows: Iterable[Row],
    *,
    line_end: str = "\n",
) -> None:
    """Writes a table whole, see `csv_text`; rows are taken one by one and never held as a whole."""
    with whole_file(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline="")
        write_rows(text, columns, rows, line_end=line_end)
        text.detach()


def write_rows(
    file: TextIO, columns: Sequence[str], rows: Iterable[Row], *, line_end: str = "\n"
) -> None:
    """Writes a table to an open text file (`newline=""`), see `csv_text`."""
    writer = csv.writer(file, lineterminator=line_end)
    writer.writerow(columns)
    for row in rows:
        cells = [row.get(column) for column in columns] if isinstance(row, Mapping) else row
        writer.writerow(cells)


def read_csv(path: str | os.PathLike[str]) -> tuple[list[str], list[dict[str, str]]]:
    """The columns of a table and its rows as {column: cell}."""
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    return list(reader.fieldnames or ()), rows
