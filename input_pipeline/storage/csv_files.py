"""CSV tables: UTF-8, names of files in them whatever their bytes.

A text that a spreadsheet would compute, as `=1+1.png`, is written with an apostrophe before it, and
read without: whoever names a picture must not run a formula at those who open the table. Numbers
are left as they are. Text that looks like one with apostrophes before it gets one more.
"""

import csv
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, BinaryIO, TextIO

from input_pipeline.storage.atomic_files import whole_file

Row = Mapping[str, Any] | Sequence[Any]
BOM = "\ufeff"  # before a table, it tells Excel that this is UTF-8; `read_csv` passes over it
# East Asian spreadsheets take the wide signs as well.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")


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
    write = row_writer(file, line_end=line_end)
    write(columns)
    for row in rows:
        write([row.get(column) for column in columns] if isinstance(row, Mapping) else row)


def row_writer(file: TextIO, *, line_end: str = "\n") -> Callable[[Iterable[Any]], object]:
    """What writes one row's cells to an open text file (`newline=""`), see `csv_text`."""
    # The module's own line end, cut off again, makes it quote carriage returns too.
    lines = SimpleNamespace(write=lambda line: file.write(line.removesuffix("\r\n") + line_end))
    writer = csv.writer(lines, lineterminator="\r\n")
    return lambda cells: writer.writerow(map(_guarded, cells))


def whole_rows(file: BinaryIO) -> Iterator[tuple[int, list[str]]]:
    """The rows of a table that may end within one, the line of columns first.

    Yields where each row ends, counted in bytes from where the file stood, and its cells.
    """
    end, pending = 0, b""
    for line in file:
        pending += line
        # A line within quotes is no end of a row.
        if not line.endswith(b"\n") or pending.count(b'"') % 2:
            continue
        end += len(pending)
        first = end == len(pending)  # a mark within the table is part of a name
        text = pending.decode("utf-8-sig" if first else "utf-8", "surrogateescape")
        try:
            [cells] = csv.reader(io.StringIO(text, newline=""))
        except (csv.Error, ValueError):
            return
        yield end, [_bare(cell) for cell in cells]
        pending = b""


def read_csv(path: str | os.PathLike[str]) -> tuple[list[str], list[dict[str, str]]]:
    """The columns of a table and its rows as {column: cell}."""
    with _opened(path) as file:
        reader = csv.DictReader(file)
        return list(reader.fieldnames or ()), [_unguarded(row) for row in reader]


def iter_csv(path: str | os.PathLike[str]) -> Iterator[dict[str, str]]:
    """The rows of a table one by one, see `read_csv`."""
    with _opened(path) as file:
        yield from map(_unguarded, csv.DictReader(file))


def _opened(path: str | os.PathLike[str]) -> TextIO:
    return open(path, encoding="utf-8-sig", errors="surrogateescape", newline="")


def _guarded(cell: Any) -> Any:
    if isinstance(cell, str) and _FORMULA.match(cell) and not _is_number(cell):
        return f"'{cell}"
    return cell


def _unguarded(row: dict[str, str]) -> dict[str, str]:
    return {column: _bare(cell) for column, cell in row.items()}


def _bare(cell: str) -> str:
    return cell[1:] if cell and cell[0] == "'" and _FORMULA.match(cell) else cell


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
