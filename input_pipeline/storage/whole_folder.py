"""A folder that is there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
from collections.abc import Iterator


@contextlib.contextmanager
def whole_folder(target: pathlib.Path) -> Iterator[pathlib.Path]:
    """Gives a new folder beside ``target`` that takes its place if the block ends well.

    What was there before stays until then, and is gone after.
    """
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    old = target.with_name(f".{target.name}.{os.getpid()}.old")
    for stale in (beside, old):
        shutil.rmtree(stale, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        yield beside
        if target.exists():
            os.replace(target, old)
        os.replace(beside, target)
    finally:
        for stale in (beside, old):
            shutil.rmtree(stale, ignore_errors=True)
