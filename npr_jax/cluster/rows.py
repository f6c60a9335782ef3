"""One picture as a row of the manifest."""

from typing import NamedTuple

# How a picture's bytes are found at its path.
FILE, PART, RECORD, CELL = "file", "part", "record", "cell"


class Row(NamedTuple):
    """Where a picture lies; the fields are columns of the manifest."""

    id: str  # what the user knows it by
    path: str  # its file, or the one that it lies in
    # FILE: all of it. PART: `size` bytes from `start`. RECORD: the same, of a prepared data set.
    # CELL: value `size` of the column `bytes` in the row group `start` of a Parquet file.
    kind: str = FILE
    start: int = 0
    size: int = 0
    problem: str = ""  # why it cannot be opened; empty for others
