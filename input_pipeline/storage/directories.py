"""Directories that appear only when they are complete."""

import contextlib
import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from input_pipeline.errors import UserError

PLAN_FILE = "plan.json"


@contextlib.contextmanager
def new_directory(output: Path) -> Iterator[Path]:
    """Yields a directory beside `output` that becomes `output` when the block ends without error.

    After an error nothing of it is left.

    Raises:
      ValueError: `output` exists and is not an empty directory.
    """
    output = _free(output)
    folder = Path(tempfile.mkdtemp(prefix=f".{output.name}.partial-", dir=output.parent))
    try:
        yield folder
        _publish(folder, output)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


@contextlib.contextmanager
def resumable_directory(output: Path, plan: Mapping[str, Any]) -> Iterator[Path]:
    """Yields a directory beside `output` that outlives errors and `kill -9`.

    The next call with the same plan yields the same directory with all that is in it. It becomes
    `output` when the block ends without error.

    Args:
      output: the directory in the end.
      plan: JSON values on which the content depends; kept as `plan.json`.

    Raises:
      ValueError: `output` exists and is not an empty directory, what an earlier call left follows
        another plan, or another process is at work on it.
    """
    output = _free(output)
    folder = output.with_name(f".{output.name}.partial")
    folder.mkdir(exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(
                f"another process is writing {output} (it works in {folder}). Wait for it, or give "
                "another --output."
            ) from error
        for half_written in folder.rglob(".*"):
            half_written.unlink()
        _follow(plan, folder, output)
        try:
            yield folder
        except BaseException:
            if not any(path.is_file() and path.name != PLAN_FILE for path in folder.rglob("*")):
                shutil.rmtree(folder)  # there is nothing to go on with
            raise
        _publish(folder, output)
    finally:
        os.close(lock)  # and with it the lock


def _follow(plan: Mapping[str, Any], folder: Path, output: Path) -> None:
    """Writes the plan, or compares it with the one already there."""
    file = folder / PLAN_FILE
    if not file.exists():
        write_text(file, json.dumps(plan, indent=2) + "\n")
        return
    found = json.loads(file.read_text())
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


def write_text(path: Path, text: str) -> None:
    """Writes a file whole, on disk, or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    with open(partial, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)
    sync_directory(path.parent)


def sync_directory(folder: Path) -> None:
    """Puts the names of a directory on disk, so that they outlive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _free(output: Path) -> Path:
    output = Path(os.path.abspath(output))
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise UserError(
            f"output {output} exists already. Give another path, or remove it first: nothing is "
            "overwritten."
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    return output


def _publish(folder: Path, output: Path) -> None:
    folder.chmod(0o755)  # mkdtemp gives 0700
    os.replace(folder, output)
