"""A file that grows for days, outlives a kill or a power cut, and takes its place when it is whole.

Until then it is called `NAME.partial`. Beside it, `NAME.partial.json` says what it is made of:
whoever goes on with it must make the same.
"""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from input_pipeline.errors import UserError
from input_pipeline.storage.atomic_files import sync_directory, write_json
from input_pipeline.storage.whole_content import read_object

SECONDS_TO_DISK = 5.0  # what was written earlier outlives a power cut


class GrowingFile:
    """A file open for reading and writing, at its beginning."""

    def __init__(self, file: BinaryIO):
        self.file = file
        self._on_disk = time.monotonic()

    def keep(self) -> None:
        """Hands what was written to the system, and from time to time to the disk."""
        self.file.flush()
        if time.monotonic() - self._on_disk >= SECONDS_TO_DISK:
            os.fsync(self.file.fileno())
            self._on_disk = time.monotonic()


def partial_of(path: str | os.PathLike[str]) -> Path:
    """What a file is called until it is whole."""
    return Path(f"{os.fspath(path)}.partial")


def _note_of(path: str | os.PathLike[str]) -> Path:
    return Path(f"{os.fspath(path)}.partial.json")


def check_free(path: str | os.PathLike[str]) -> None:
    """Raises `UserError` where an earlier run has left something that a new one would overwrite."""
    partial = partial_of(path)
    if partial.exists() and partial.stat().st_size:
        raise UserError(
            f"{partial} holds what an earlier run has done; add --resume to go on with it, or "
            "remove it to start again"
        )


@contextlib.contextmanager
def growing_file(
    path: str | os.PathLike[str], made_of: Mapping[str, Any], *, resume: bool
) -> Iterator[GrowingFile]:
    """Opens what becomes `path` when the block ends without error; else it stays as it is.

    Args:
      path: a file; one that is there stays until then.
      made_of: JSON values on which the content depends.
      resume: whether to open what an earlier run has left, if it has left anything.

    Raises:
      UserError: an earlier run has left something and `resume` is false, or was made of something
        else, another process is at it, or its folder takes no files.
    """
    if not resume:
        check_free(path)
    partial, note = partial_of(path), _note_of(path)
    try:
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except FileNotFoundError as error:  # such folders are there, and the system's own
        raise UserError(
            f"--output={os.fspath(path)}: no file can be made in its folder; give another one"
        ) from error
    with open(descriptor, "r+b") as file:
        _lock(file, partial)
        if os.fstat(file.fileno()).st_size:
            _check_same(note, made_of, partial)
        else:
            write_json(note, made_of, durable=True)
        try:
            yield GrowingFile(file)
            file.flush()
        except BaseException:
            with contextlib.suppress(OSError):  # what does not fit on the disk
                file.flush()
            if not os.fstat(file.fileno()).st_size:  # there is nothing to go on with
                partial.unlink(missing_ok=True)
                forget(path)
            raise
        os.fsync(file.fileno())
        os.replace(partial, path)
    sync_directory(Path(os.path.abspath(path)).parent)
    forget(path)


def forget(path: str | os.PathLike[str]) -> None:
    """Removes what is said of a file that is whole; a kill may have come between."""
    _note_of(path).unlink(missing_ok=True)


def _lock(file: BinaryIO, partial: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UserError(
            f"another process is writing {partial}; wait for it, or give another --output"
        ) from error
    except OSError:
        return  # a disk without locks
    if not (partial.exists() and os.path.samestat(os.fstat(file.fileno()), os.stat(partial))):
        raise UserError(f"another process has just finished with {partial}; start again")


def _check_same(note: Path, made_of: Mapping[str, Any], partial: Path) -> None:
    remedy = f"Give what it was begun with, or remove {partial} to start again."
    try:
        found = read_object(note, remedy)
    except (OSError, UserError) as error:
        raise UserError(
            f"{note} is missing or damaged, so {partial} cannot be gone on with. {remedy}"
        ) from error
    changed = [
        f"{key} was {found.get(key)!r}, is {made_of.get(key)!r}"
        for key in dict.fromkeys([*found, *made_of])
        if found.get(key) != made_of.get(key)
    ]
    if changed:
        raise UserError(f"{partial} was made otherwise: {'; '.join(changed)}. {remedy}")
