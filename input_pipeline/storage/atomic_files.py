"""Files and directories that readers find whole or not at all.

Each is made beside its place, as `.NAME.partial`, and renamed. Whoever makes it holds a lock on it,
which ends with the process, killed or not. So two writers of one name take turns, and the next
writer takes over what a killed one left: nothing piles up. On a disk without locks every writer
takes a name of its own.
"""

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from input_pipeline.errors import UserError
from input_pipeline.storage.whole_content import read_object

PLAN_FILE = "plan.json"
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of Linux's renameat2


@contextlib.contextmanager
def whole_file(path: str | os.PathLike[str], *, durable: bool = False) -> Iterator[BinaryIO]:
    """Opens a file to write; it takes its place when the block ends without error.

    A `durable` one is then on disk, name and all: it outlives a power cut.
    """
    path = Path(path)
    partial, descriptor = _hold(path, _open_file)
    with os.fdopen(descriptor, "wb") as file:
        try:
            file.truncate()
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
            os.replace(partial, path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    if durable:
        sync_directory(path.parent)


def write_file(
    path: str | os.PathLike[str], content: str | bytes, *, durable: bool = False
) -> None:
    """Writes a whole file; text as UTF-8, names of files in it whatever their bytes."""
    with whole_file(path, durable=durable) as file:
        file.write(_bytes(content))


def write_json(
    path: str | os.PathLike[str], values: Any, *, sort_keys: bool = False, durable: bool = False
) -> None:
    """Writes values as a whole JSON file."""
    write_file(path, json.dumps(values, indent=2, sort_keys=sort_keys) + "\n", durable=durable)


def write_together(
    directory: str | os.PathLike[str],
    contents: Mapping[str, str | bytes],
    *,
    stale: Iterable[str] = (),
) -> list[Path]:
    """Writes the files of one result, then gives all of them their names; returns their paths.

    Args:
      directory: made where missing.
      contents: by file name; the last one vouches for the others: it is absent while they change.
      stale: names of earlier files that are removed before the new ones appear.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as files:  # which are renamed last in, first out
        for name, content in reversed(list(contents.items())):
            file = files.enter_context(whole_file(directory / name))
            file.write(_bytes(content))
            file.flush()
        stale = [*stale]
        if stale or len(contents) > 1:  # a file on its own has no others to vouch for
            for name in (*list(contents)[-1:], *stale):
                (directory / name).unlink(missing_ok=True)
    return [directory / name for name in contents]


@contextlib.contextmanager
def new_directory(output: Path) -> Iterator[Path]:
    """Yields a directory that becomes `output` when the block ends; after an error nothing is left.

    Raises:
      UserError: `output` exists and is not an empty directory, or another process is writing it.
    """
    output = _free(output)
    with _held_directory(output, wait=False) as folder:
        _empty(folder)
        try:
            yield folder
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        os.replace(folder, output)


@contextlib.contextmanager
def resumable_directory(output: Path, plan: Mapping[str, Any]) -> Iterator[Path]:
    """Yields a directory that outlives errors and `kill -9`, and becomes `output` in the end.

    The next call with the same plan, JSON values on which the content depends, yields the same
    directory with all that is in it. It takes its place when the block ends without error.

    Raises:
      UserError: `output` exists and is not an empty directory, what an earlier call left follows
        another plan, or another process is writing it.
    """
    output = _free(output)
    with _held_directory(output, wait=False) as folder:
        if folder != _partial(output):
            folder.rmdir()
            raise UserError(
                f"the disk of {output} has no file locks, without which two processes could write "
                "it at once. Give an --output on another disk."
            )
        for half_written in folder.rglob(".*"):
            half_written.unlink()
        _follow(plan, folder, output)
        try:
            yield folder
        except BaseException:
            if not any(path.is_file() and path.name != PLAN_FILE for path in folder.rglob("*")):
                shutil.rmtree(folder)  # there is nothing to go on with
            raise
        os.replace(folder, output)


@contextlib.contextmanager
def replaced_directory(target: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a new directory that takes the place of `target` when the block ends without error.

    What was there before stays until then, and is gone after. Linux swaps the two in one step, so
    that a reader finds one or the other at any moment. Where a file system cannot, the name is
    missing for an instant; what a kill in that instant has hidden is back with the next call.
    """
    target = Path(os.path.realpath(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    with _held_directory(target, wait=True) as folder:
        old = target.with_name(f".{target.name}.old")
        _restore(old, target)
        try:
            _empty(folder)
            yield folder
            if not target.exists():
                os.replace(folder, target)
            elif not _exchange(folder, target):
                _remove(old)
                os.replace(target, old)
                os.replace(folder, target)
        finally:
            _restore(old, target)
            _remove(folder)
            _remove(old)


def _restore(old: Path, target: Path) -> None:
    """Undoes the first of two renames where the second did not follow."""
    if old.exists() and not target.exists():
        os.replace(old, target)


def sync_directory(folder: Path) -> None:
    """Puts the names of a directory on disk, so that they outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _bytes(content: str | bytes) -> bytes:
    return content.encode(errors="surrogateescape") if isinstance(content, str) else content


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")


def _hold(path: Path, opened: Callable[[Path], int], *, wait: bool = True) -> tuple[Path, int]:
    """Opens and locks what takes the place of `path`; closing the descriptor ends the lock."""
    partial = _partial(path)
    while True:
        descriptor = opened(partial)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            # While this process waited, the other one may have renamed or removed what is open.
            if os.path.samestat(os.fstat(descriptor), os.stat(partial)):
                return partial, descriptor
        except FileNotFoundError:
            pass
        except BlockingIOError:
            os.close(descriptor)
            raise
        except OSError:  # no locks
            os.close(descriptor)
            own = partial.with_name(f"{partial.name}-{os.getpid()}-{threading.get_ident()}")
            with contextlib.suppress(OSError):
                if partial.is_dir():
                    partial.rmdir()
                elif not partial.stat().st_size:
                    partial.unlink()
            return own, opened(own)
        os.close(descriptor)


def _open_file(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)


def _open_directory(path: Path) -> int:
    while True:
        path.mkdir(exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


@contextlib.contextmanager
def _held_directory(output: Path, *, wait: bool) -> Iterator[Path]:
    """Yields the directory beside `output`, which may hold what a killed process left there."""
    try:
        folder, descriptor = _hold(output, _open_directory, wait=wait)
    except BlockingIOError as error:
        raise UserError(
            f"another process is writing {output} (it works in {_partial(output)}). Wait for it, "
            "or give another --output."
        ) from error
    try:
        yield folder
    finally:
        os.close(descriptor)


def _exchange(first: Path, second: Path) -> bool:
    """Swaps two names in one step; returns False where the system cannot."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    names = os.fsencode(first), os.fsencode(second)
    if not rename(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE):
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number), str(second))


def _follow(plan: Mapping[str, Any], folder: Path, output: Path) -> None:
    """Writes the plan, or compares it with the one already there."""
    file = folder / PLAN_FILE
    if not file.exists():
        write_json(file, plan, durable=True)
        return
    found = read_object(file, f"remove {folder} to start again.")
    changed = [
        f"{key} was {found.get(key)!r}, is {plan.get(key)!r}"
        for key in sorted({*found, *plan})
        if found.get(key) != plan.get(key)
    ]
    if changed:
        raise UserError(
            f"{folder} holds an unfinished {output.name} that was made otherwise: "
            f"{'; '.join(changed)}. Give the same settings and source to continue it, or remove "
            "that directory to start again."
        )


def _free(output: Path) -> Path:
    output = Path(os.path.abspath(output))
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise UserError(
            f"output {output} exists already. Give another path, or remove it first: nothing is "
            "overwritten."
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    return output


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        _remove(entry)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
