"""Writes the files of one result: a reader finds all of them whole, or sees that they are not."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable, Mapping


def write_together(
    directory: pathlib.Path,
    contents: Mapping[str, bytes],
    *,
    stale: Iterable[str] = (),
) -> None:
    """Writes every file beside its place, then renames all of them.

    Args:
        directory: made where missing.
        contents: bytes by file name; the last one vouches for the others, so it is absent while
            they change.
        stale: names of earlier files that are removed before the new ones appear.
    """
    directory.mkdir(parents=True, exist_ok=True)
    beside = {name: directory / f".{name}.{os.getpid()}" for name in contents}
    for name, content in contents.items():
        beside[name].write_bytes(content)
    for name in (list(contents)[-1], *stale):
        (directory / name).unlink(missing_ok=True)
    for name, path in beside.items():
        os.replace(path, directory / name)
