"""The files below a folder: all of them, or why not."""

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from input_pipeline.errors import UserError


class FoundFile(NamedTuple):
    """Something below a folder."""

    path: str  # where it lies
    problem: str = ""  # why it cannot be opened; '' for a file that can
    is_folder: bool = False  # whether it is a folder that cannot be listed


def walk_files(root: str | os.PathLike[str]) -> Iterator[FoundFile]:
    """Yields all files below a folder, those of a folder by name before those of its subfolders.

    Links are followed, but for those to a folder that they lie in, which would never end. Folders
    that cannot be listed, broken links, pipes and the like are yielded with their problem.
    """
    waiting = [(os.fspath(root), frozenset[str]())]
    while waiting:
        folder, above = waiting.pop()
        here = os.path.realpath(folder)
        above |= {here}
        try:
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            yield FoundFile(folder, f"cannot be read: {error.strerror}", is_folder=True)
            continue
        folders = []
        for entry in entries:
            try:
                mode = entry.stat().st_mode
            except OSError as error:
                problem = f"cannot be read: {error.strerror}"
                yield FoundFile(entry.path, "broken link" if entry.is_symlink() else problem)
                continue
            if not stat.S_ISDIR(mode):
                yield FoundFile(entry.path, "" if stat.S_ISREG(mode) else "not a regular file")
            elif not (entry.is_symlink() and _leads_back(entry.path, here, above)):
                folders.append((entry.path, above))
        waiting += reversed(folders)


def _leads_back(link: str, here: str, above: frozenset[str]) -> bool:
    target = os.path.realpath(link)
    return target in above or os.path.commonpath([target, here]) == target


def find_image_files(paths: Iterable[str]) -> list[FoundFile]:
    """The named files and, by path, all files below the named folders.

    Hidden files, and those in hidden folders, are left out of a folder. Nothing else is: what
    cannot be opened is there with its problem.

    Raises:
      UserError: a path does not exist, or there is no file at all.
    """
    found: list[FoundFile] = []
    for name in paths:
        if os.path.isdir(name):
            root = Path(name)
            below = (file._replace(path=str(Path(file.path))) for file in walk_files(root))
            found += sorted(file for file in below if _is_visible(file, root))
        elif os.path.lexists(name):
            found.append(FoundFile(name, "" if os.path.exists(name) else "broken link"))
        else:
            raise UserError(f"{name} does not exist; give image files or folders")
    if not found:
        raise UserError("there is nothing to score; give image files or folders that hold some")
    return found


def _is_visible(file: FoundFile, root: Path) -> bool:
    return not any(part.startswith(".") for part in Path(file.path).relative_to(root).parts)
