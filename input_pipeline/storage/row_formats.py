"""Tables that are written row by row and gone on with: CSV, and JSON Lines."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Protocol, TextIO

from input_pipeline.storage.csv_files import BOM, row_writer, whole_rows


class RowFormat(Protocol):
    """How rows look in a file; `columns` are their names in order."""

    columns: Sequence[str]

    def write_head(self, file: TextIO) -> None:
        """Writes what comes before the first row."""

    def write(self, file: TextIO, row: Mapping[str, Any]) -> None:
        """Writes a row to a file opened with `newline=""`."""

    def read(self, file: BinaryIO) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Where each whole row ends, in bytes, and the row.

        It ends at the first row that is not whole, and at once if what comes before them is not.
        """


class CsvRows:
    """CSV as of `csv_files`; numbers have six decimals, None is an empty cell and read as one."""

    def __init__(self, columns: Sequence[str], *, excel: bool = False):
        """`excel`: whether the file begins with a byte order mark."""
        self.columns = columns
        self._before = BOM if excel else ""

    def write_head(self, file: TextIO) -> None:
        """See `RowFormat`."""
        file.write(self._before)
        row_writer(file)(self.columns)

    def write(self, file: TextIO, row: Mapping[str, Any]) -> None:
        """See `RowFormat`."""
        cells = (row[column] for column in self.columns)
        row_writer(file)(f"{c:.6f}" if isinstance(c, float) else c for c in cells)

    def read(self, file: BinaryIO) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """See `RowFormat`."""
        rows = whole_rows(file)
        _, head = next(rows, (0, []))
        if head != [*self.columns]:
            return
        for end, cells in rows:
            if len(cells) != len(self.columns):
                return
            yield end, dict(zip(self.columns, cells, strict=True))


class JsonRows:
    """JSON Lines: an object per row, numbers to six decimals.

    All is ASCII: whatever bytes a file's name has, each line is JSON for every reader.
    """

    def __init__(self, columns: Sequence[str]):
        self.columns = columns

    def write_head(self, file: TextIO) -> None:
        """Writes nothing: each row names its columns."""

    def write(self, file: TextIO, row: Mapping[str, Any]) -> None:
        """See `RowFormat`."""
        cells = {c: round(v, 6) if isinstance(v := row[c], float) else v for c in self.columns}
        file.write(json.dumps(cells) + "\n")

    def read(self, file: BinaryIO) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """See `RowFormat`."""
        end = 0
        for line in file:
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                return
            if not line.endswith(b"\n") or not isinstance(row, dict) or [*row] != [*self.columns]:
                return
            end += len(line)
            yield end, row
