"""The table of `predict`: rows that are written one by one, and gone on with after a kill."""

import contextlib
import io
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, BinaryIO, TextIO

from input_pipeline.errors import UserError
from input_pipeline.images.image_listing import ImageListing
from input_pipeline.storage.csv_files import BOM
from input_pipeline.storage.growing_file import check_free, forget, growing_file, partial_of
from input_pipeline.storage.row_formats import CsvRows, JsonRows, RowFormat
from npr_jax.detectors.calibration import VERDICTS

NOT_SCORED = "not scored"
JSON_LINES_ENDINGS = (".jsonl", ".ndjson")
# What a table that an earlier run has written begins with, a byte order mark aside.
_BEGINNINGS = (b"path,score,verdict,error", b'{"path": ')


class ScoreTable:
    """An open table; `done` rows are in it, `counts` are by verdict, and of rows with an error."""

    def __init__(self, form: RowFormat, file: TextIO, keep: Callable[[], object]):
        """`keep` is called after each row that was written to the `file`."""
        self.done = 0
        self.counts: Counter[str] = Counter()
        self._form, self._file, self._keep = form, file, keep

    def write(self, row: Mapping[str, Any]) -> None:
        """Adds a row, which no kill takes back."""
        if not self.done:
            self._form.write_head(self._file)
        self._form.write(self._file, row)
        self._count(row)  # before the disk is waited for, where a signal may come
        self._keep()

    def take_up(self, file: BinaryIO, listing: ImageListing, name: str) -> int:
        """Counts the whole rows of a file, each of which must be about the next of the listed
        files, and returns where the last one ends."""
        end = 0
        for (there, row), listed in zip(self._form.read(file), listing.files(), strict=False):
            if row["path"] != listed.path:
                raise UserError(
                    f"row {self.done + 1} of {name} is of {row['path']}, but it is the turn of "
                    f"{listed.path}; remove {name} to score all anew"
                )
            end = there
            self._count(row)
        return end

    def _count(self, row: Mapping[str, Any]) -> None:
        self.done += 1
        self.counts[row["verdict"] or NOT_SCORED] += 1
        self.counts["error"] += bool(row["error"])

    def summary(self) -> str:
        """All counts in one line."""
        words = [f"{self.counts[word]} {word}" for word in (*VERDICTS, NOT_SCORED)]
        files = self.done
        incomplete = self.counts["error"] - self.counts[NOT_SCORED]
        beside = f", {incomplete} scored without what was to be made beside" if incomplete else ""
        return f"{files} file{'s' * (files != 1)}: {', '.join(words)}{beside}"


def row_format(name: str, output: str, columns: tuple[str, ...], *, excel: bool) -> RowFormat:
    """The format of that name; of `auto`, what the output's name ends in decides."""
    if name == "auto":
        name = "jsonl" if output.lower().endswith(JSON_LINES_ENDINGS) else "csv"
    if excel and not (output and name == "csv"):
        raise UserError("--excel is of --output=FILE.csv; give both, or leave --excel out")
    return JsonRows(columns) if name == "jsonl" else CsvRows(columns, excel=excel)


def check_output(output: str, *, resume: bool) -> str:
    """The file to write: of a symbolic link what it points to, as a file would take its place.

    Raises `UserError` for an output that cannot be written, or would overwrite work.
    """
    if not output:
        if resume:
            raise UserError("--resume goes on with the file of --output=FILE; give both")
        return output
    if os.path.exists(output) and not os.path.isfile(output):
        kind = "a folder" if os.path.isdir(output) else "not a regular file"
        raise UserError(
            f"--output={output} is {kind}; give a CSV file, or leave it out for standard output"
        )
    if os.path.islink(output):
        output = os.path.realpath(output)
    if not os.path.isdir(os.path.dirname(os.path.abspath(output))):
        raise UserError(f"--output={output}: its folder does not exist")
    if os.path.exists(output) and not _is_table(output):
        raise UserError(
            f"--output={output} exists and is no table of predict; give another name, or remove it"
        )
    if not resume:
        check_free(output)
    return output


def is_begun(output: str) -> bool:
    """Whether `score_table` would find rows to go on with, or all of them."""
    return bool(output) and (os.path.exists(output) or partial_of(output).exists())


def _is_table(path: str) -> bool:
    """Whether nothing is lost but a table where a file is overwritten."""
    with open(path, "rb") as file:
        head = file.read(100).removeprefix(BOM.encode())
    return not head or head.startswith(_BEGINNINGS)


@contextlib.contextmanager
def score_table(
    output: str,
    form: RowFormat,
    listing: ImageListing,
    made_of: Callable[[], Mapping[str, Any]],
    *,
    resume: bool,
) -> Iterator[ScoreTable]:
    """Opens the table of some files, with the rows that are there where an earlier run is resumed.

    Args:
      output: the file, see ``growing_file``; empty: standard output.
      form: of its rows, which have the columns path, verdict and error at least.
      listing: the files.
      made_of: gives the JSON values on which all rows depend.
      resume: whether to go on with what there is. A table that is whole has nothing left to do.
    """
    if not output:
        yield ScoreTable(form, sys.stdout, sys.stdout.flush)
        return
    if resume and not partial_of(output).exists() and os.path.exists(output):
        yield _whole(output, form, listing)
        return
    with growing_file(output, made_of(), resume=resume) as grown:
        text = io.TextIOWrapper(
            grown.file, "utf-8", "surrogateescape", newline="", write_through=True
        )
        table = ScoreTable(form, text, grown.keep)
        grown.file.seek(table.take_up(grown.file, listing, str(partial_of(output))))
        grown.file.truncate()
        try:
            yield table
        finally:
            text.detach()


def _whole(output: str, form: RowFormat, listing: ImageListing) -> ScoreTable:
    table = ScoreTable(form, io.StringIO(), lambda: None)  # which gets no row
    with open(output, "rb") as file:
        end = table.take_up(file, listing, output)
        if table.done < len(listing) or end < os.fstat(file.fileno()).st_size:
            raise UserError(
                f"{output} is there without {partial_of(output)}, so there is nothing to go on "
                "with, and it was made of other files, in another format or with other columns "
                "(--provenance); leave --resume out to make it anew"
            )
    forget(output)
    print(f"{output} is whole already; without --resume it is made anew", file=sys.stderr)
    return table
