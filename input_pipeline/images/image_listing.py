"""The files that a user's paths mean, any number of them, in an order that does not change."""

import hashlib
import os
import pathlib
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Self

from input_pipeline.errors import UserError
from input_pipeline.images.file_tree import (
    EMPTY_FOLDER,
    FoundFile,
    left_out_in_words,
    walk_files,
)

_CACHE = 8_000  # KiB of the listing in memory; the rest is a temporary file of SQLite's


class ImageListing:
    """Files to be scored: those named and, by path, all files below the folders named.

    Files that are named count whatever their names. In folders, hidden files, companions of
    pictures and system folders are left out, and no other. Paths are sorted by their bytes. The
    listing lies on disk, in a file without a name (in `SQLITE_TMPDIR`, `TMPDIR` or `/var/tmp`), so
    that millions of files take no more memory than one. Use it in a `with` block.

    Attributes:
      sha256: of all paths in their order, hexadecimal.
    """

    def __init__(self, paths: Iterable[str]):
        """Lists them now; what is added to a folder later is not seen.

        Raises:
          UserError: a path does not exist, or there is no file at all.
        """
        paths = list(paths)
        self._folders = [name for name in paths if os.path.isdir(name)]
        self._table = sqlite3.connect("", isolation_level=None)
        try:
            self._fill(paths)
        except BaseException as error:
            self._table.close()
            if isinstance(error, sqlite3.OperationalError):  # its disk is full
                raise OSError(f"the list of files: {error}") from error
            raise

    def _fill(self, paths: Iterable[str]) -> None:
        for setting in (f"cache_size = -{_CACHE}", "journal_mode = OFF", "synchronous = OFF"):
            self._table.execute(f"PRAGMA {setting}")
        columns = "place, path, problem, is_folder, left_out"
        self._table.execute(f"CREATE TABLE found ({columns})")
        self._table.execute("BEGIN")
        self._table.executemany("INSERT INTO found VALUES (?, ?, ?, ?, ?)", _rows(paths))
        self._table.execute(
            "CREATE TABLE files AS SELECT path, problem, is_folder FROM found WHERE left_out = '' "
            "ORDER BY place, path"
        )
        self._table.execute("DELETE FROM found WHERE left_out = ''")
        self._table.execute("COMMIT")
        digest = hashlib.sha256()
        self._count = 0
        for (path,) in self._table.execute("SELECT path FROM files ORDER BY rowid"):
            digest.update(path + b"\0")
            self._count += 1
        self.sha256 = digest.hexdigest()
        if not self._count:
            what = "there is nothing to score; give image files or folders that hold some"
            raise UserError("; ".join([what, *self.left_out_in_words()]))

    def __len__(self) -> int:
        return self._count

    def files(self, first: int = 0) -> Iterator[FoundFile]:
        """The files from one place on; what cannot be opened is there with its problem."""
        query = "SELECT path, problem, is_folder FROM files WHERE rowid > ? ORDER BY rowid"
        for path, problem, is_folder in self._table.execute(query, (first,)):
            yield FoundFile(os.fsdecode(path), problem, bool(is_folder))

    def check_still_there(self, path: str) -> None:
        """Raises `UserError` where a file is gone together with all of the folder that was named.

        A disk that goes away takes the files with it that were not read yet: none of them is at
        fault. One that is gone from a folder that still holds some is a matter of its own.
        """
        if os.path.lexists(path):
            return
        for folder in self._folders:
            if pathlib.Path(path).is_relative_to(folder) and not _holds_anything(folder):
                raise UserError(
                    f"{folder} is gone, or empty, since its files were listed; put it back"
                )

    def left_out(self) -> Iterator[FoundFile]:
        """What is no picture by its name, by path."""
        query = "SELECT path, problem, is_folder, left_out FROM found ORDER BY place, path"
        for path, problem, is_folder, left_out in self._table.execute(query):
            yield FoundFile(os.fsdecode(path), problem, bool(is_folder), left_out)

    def left_out_in_words(self) -> list[str]:
        """See the function."""
        return left_out_in_words((file.left_out, file.path) for file in self.left_out())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._table.close()


def _rows(paths: Iterable[str]) -> Iterator[tuple[int, bytes, str, bool, str]]:
    for place, name in enumerate(paths):
        if os.path.isdir(name):
            for file in walk_files(pathlib.Path(name), by_name=False):
                if file.left_out != EMPTY_FOLDER:
                    path = os.fsencode(pathlib.Path(file.path))
                    yield place, path, file.problem, file.is_folder, file.left_out
        elif os.path.lexists(name):
            problem = "" if os.path.exists(name) else "broken link"
            yield place, os.fsencode(name), problem, False, ""
        else:
            raise UserError(f"{name} does not exist; give image files or folders")


def _holds_anything(folder: str) -> bool:
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is not None
    except OSError:
        return False
