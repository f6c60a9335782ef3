"""Several text files of one directory, each whole or not at all."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping


def write_texts(folder: str | os.PathLike[str], contents: Mapping[str, str]) -> list[pathlib.Path]:
    """Writes {file name: text} into a directory, made where missing; returns the paths."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        beside = folder / f".{name}.{os.getpid()}"
        beside.write_text(content, encoding="utf-8", errors="surrogateescape", newline="")
        os.replace(beside, folder / name)
    return [folder / name for name in contents]
