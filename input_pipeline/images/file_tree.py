"""The files below a folder: all of them, or why not."""

import collections
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

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
# Text that says something of a picture, what programs note of a folder, and unfinished files.
_TEXTS = (".txt", ".caption", ".md", ".html", ".htm", ".log", ".csv", ".tsv", ".json", ".jsonl")
_NOTES = (
    ".partial",
    ".xml",
    ".xmp",
    ".aae",
    ".yaml",
    ".yml",
    ".ini",
    ".db",
    ".url",
    ".md5",
    ".sha256",
)
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


def walk_files(root: str | os.PathLike[str], *, by_name: bool = True) -> Iterator[FoundFile]:
    """Yields all files below a folder, those of a folder by name before those of its subfolders.

    Links are followed, but for those to a folder that they lie in, which would never end. Folders
    that cannot be listed, broken links, pipes and the like are yielded with their problem. What is
    no picture by its name is yielded as left out; system folders as a whole, and empty folders.

    `by_name`: false for whatever order the disk has, in which no folder is held in memory.
    """
    waiting = [(os.fspath(root), frozenset[str]())]
    while waiting:
        folder, above = waiting.pop()
        here = os.path.realpath(folder)
        above |= {here}
        folders = []
        empty = True
        try:
            with os.scandir(folder) as listing:
                for entry in sorted(listing, key=lambda e: e.name) if by_name else listing:
                    empty = False
                    if (found := _file_of(entry)) is not None:
                        yield found
                    elif not (entry.is_symlink() and _leads_back(entry.path, here, above)):
                        folders.append((entry.path, above))
        except OSError as error:
            yield FoundFile(folder, _why(error), is_folder=True)
            continue
        if empty:
            yield FoundFile(folder, is_folder=True, left_out=EMPTY_FOLDER)
        waiting += reversed(folders)


def _file_of(entry: os.DirEntry[str]) -> FoundFile | None:
    """What lies there, system folders included; None for any other folder."""
    left_out = left_out_as((entry.name,))
    try:
        mode = entry.stat().st_mode
    except OSError as error:
        problem = "broken link" if entry.is_symlink() else _why(error)
        return FoundFile(entry.path, problem, left_out=left_out)
    if not stat.S_ISDIR(mode):
        return FoundFile(
            entry.path, "" if stat.S_ISREG(mode) else "not a regular file", left_out=left_out
        )
    if _is_system_folder(entry.name):
        return FoundFile(entry.path, is_folder=True, left_out=SYSTEM_FOLDER)
    return None


def _why(error: OSError) -> str:
    return f"cannot be read: {error.strerror}"


def _leads_back(link: str, here: str, above: frozenset[str]) -> bool:
    target = os.path.realpath(link)
    return target in above or os.path.commonpath([target, here]) == target


def left_out_in_words(found: Iterable[tuple[str, str]], shown: int = 3) -> list[str]:
    """A line per kind of what is left out, with its first names; of (kind, path)."""
    counts: collections.Counter[str] = collections.Counter()
    names = collections.defaultdict(list)
    for kind, path in found:
        counts[kind] += 1
        if counts[kind] <= shown:
            names[kind].append(path)
    return [
        f"{count} {kind}{'s' * (count != 1)} left out: {', '.join(names[kind])}"
        + (", ..." if count > shown else "")
        for kind, count in counts.items()
    ]
