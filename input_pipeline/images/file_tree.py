"""The files below a folder: all of them, or why not."""

import collections
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from input_pipeline.errors import UserError

HIDDEN, SYSTEM_FOLDER, COMPANION = "hidden file", "system folder", "companion file"
EMPTY_FOLDER = "empty folder"
# What systems, storage devices and archive programs keep beside pictures, some of it copies.
# A folder whose name begins with a dot is one, too.
_SYSTEM_FOLDERS = frozenset(
    {
        "$recycle.bin",
        "#recycle",
        "#snapshot",
        "@eadir",
        "@recently-snapshot",
        "@recycle",
        "__macosx",
        "lost+found",
        "recycler",
        "system volume information",
    }
)
# Text that says something of a picture, and what programs note of a folder.
_TEXTS = (".txt", ".caption", ".md", ".html", ".htm", ".log", ".csv", ".tsv", ".json", ".jsonl")
_NOTES = (".xml", ".xmp", ".aae", ".yaml", ".yml", ".ini", ".db", ".url", ".md5", ".sha256")
_COMPANION_ENDINGS = (*_TEXTS, *_NOTES, "zone.identifier")


class FoundFile(NamedTuple):
    """Something below a folder."""

    path: str  # where it lies
    problem: str = ""  # why it cannot be opened; '' for a file that can
    is_folder: bool = False  # whether it is a folder that cannot be listed, or is left out
    left_out: str = ""  # what it is, where its name says that it is no picture to be counted


def left_out_as(parts: Sequence[str]) -> str:
    """What a file of that path below a folder is left out as by its names alone, '' for none.

    Content is not looked at: `HIDDEN`, `SYSTEM_FOLDER` (a folder above it is one) or `COMPANION`.
    """
    if any(_is_system_folder(part) for part in parts[:-1]):
        return SYSTEM_FOLDER
    name = parts[-1]
    if name.startswith("."):
        return HIDDEN
    return COMPANION if name.lower().endswith(_COMPANION_ENDINGS) else ""


def _is_system_folder(name: str) -> bool:
    # `.` and `..` are none: names in archives may have them.
    return bool(name.startswith(".") and name.strip(".")) or name.lower() in _SYSTEM_FOLDERS


def walk_files(root: str | os.PathLike[str]) -> Iterator[FoundFile]:
    """Yields all files below a folder, those of a folder by name before those of its subfolders.

    Links are followed, but for those to a folder that they lie in, which would never end. Folders
    that cannot be listed, broken links, pipes and the like are yielded with their problem. What is
    no picture by its name is yielded as left out; system folders as a whole, and empty folders.
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
        if not entries:
            yield FoundFile(folder, is_folder=True, left_out=EMPTY_FOLDER)
        folders = []
        for entry in entries:
            left_out = left_out_as((entry.name,))
            try:
                mode = entry.stat().st_mode
            except OSError as error:
                problem = "broken link" if entry.is_symlink() else _why(error)
                yield FoundFile(entry.path, problem, left_out=left_out)
                continue
            if not stat.S_ISDIR(mode):
                problem = "" if stat.S_ISREG(mode) else "not a regular file"
                yield FoundFile(entry.path, problem, left_out=left_out)
            elif _is_system_folder(entry.name):
                yield FoundFile(entry.path, is_folder=True, left_out=SYSTEM_FOLDER)
            elif not (entry.is_symlink() and _leads_back(entry.path, here, above)):
                folders.append((entry.path, above))
        waiting += reversed(folders)


def _why(error: OSError) -> str:
    return f"cannot be read: {error.strerror}"


def _leads_back(link: str, here: str, above: frozenset[str]) -> bool:
    target = os.path.realpath(link)
    return target in above or os.path.commonpath([target, here]) == target


class FoundImages(NamedTuple):
    """What the user's paths mean."""

    files: list[FoundFile]  # to be scored; what cannot be opened is there with its problem
    left_out: list[FoundFile]  # no pictures by their names

    def left_out_in_words(self) -> list[str]:
        """See the function."""
        return left_out_in_words((file.left_out, file.path) for file in self.left_out)


def find_image_files(paths: Iterable[str]) -> FoundImages:
    """The named files and, by path, all files below the named folders.

    Files that are named count whatever their names. In folders, hidden files, companions of
    pictures and system folders are left out, and no other.

    Raises:
      UserError: a path does not exist, or there is no file at all.
    """
    files: list[FoundFile] = []
    left_out: list[FoundFile] = []
    for name in paths:
        if os.path.isdir(name):
            root = Path(name)
            below = sorted(file._replace(path=str(Path(file.path))) for file in walk_files(root))
            files += (file for file in below if not file.left_out)
            left_out += (f for f in below if f.left_out and f.left_out != EMPTY_FOLDER)
        elif os.path.lexists(name):
            files.append(FoundFile(name, "" if os.path.exists(name) else "broken link"))
        else:
            raise UserError(f"{name} does not exist; give image files or folders")
    found = FoundImages(files, left_out)
    if not files:
        what = "there is nothing to score; give image files or folders that hold some"
        raise UserError("; ".join([what, *found.left_out_in_words()]))
    return found


def left_out_in_words(found: Iterable[tuple[str, str]], shown: int = 3) -> list[str]:
    """A line per kind of what is left out, with its first names; of (kind, path)."""
    names = collections.defaultdict(list)
    for kind, path in found:
        names[kind].append(path)
    return [
        f"{len(paths)} {kind}{'s' * (len(paths) != 1)} left out: {', '.join(paths[:shown])}"
        + (", ..." if len(paths) > shown else "")
        for kind, paths in names.items()
    ]
