"""Folder trees of photographs and generated images: which file is what.

    [<split>/]<generator>/[<class>/]{0_real,1_fake}/<file>

The classes of a generator are pooled. Folders named like splits at the top of the tree divide it;
without them the whole tree is one split. Nothing is guessed: a file anywhere else is a stray, which
is reported and never counted.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from input_pipeline.errors import UserError
from input_pipeline.images import file_tree
from input_pipeline.prepare.catalog import CatalogEntry
from input_pipeline.storage.records import GENERATED, PHOTOGRAPH
from input_pipeline.storage.shard_writer import Skipped

CLASS_FOLDERS = {"0_real": PHOTOGRAPH, "1_fake": GENERATED}
SPLIT_FOLDERS = {
    "train": "train",
    "val": "validation",
    "validation": "validation",
    "dev": "dev",
    "test": "test",
}
OUTSIDE_SPLITS = "outside the split folders of this tree"
LAYOUT = "[<split>/]<generator>/[<class>/]{0_real,1_fake}/<file>"


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file that should be an image."""

    path: str  # where it lies
    filename: str  # its path relative to the root of the source, with forward slashes
    label: int  # 0 photograph, 1 generated
    generator: str  # the folder that names its maker or source
    # The folder between the generator and 0_real or 1_fake, '' where there is none.
    class_name: str = ""


@dataclass
class Source:
    """Folders of image files, sorted, in an order that depends on names alone."""

    origin: str  # the name of where they lie
    entry: CatalogEntry | None = None  # what the catalogue knows of them, or None
    splits: dict[str, list[ImageFile]] = field(default_factory=dict)  # {split: its files}
    strays: list[Skipped] = field(default_factory=list)  # every other file

    def add(self, split: str, file: ImageFile) -> None:
        """Counts a file."""
        self.splits.setdefault(split, []).append(file)

    def leave_out(self, *what: str) -> None:
        """Counts a file nowhere; `what` are the values of `Skipped`."""
        self.strays.append(Skipped(*what))

    @property
    def title(self) -> str:
        """What they are, in words."""
        if self.entry is None:
            return f"{self.origin}: photographs and generated images"
        table = f"Table {self.entry.table}, " if self.entry.table else ""
        return f"{self.origin}: {table}{self.entry.title}"

    def fingerprint(self) -> str:
        """Returns a hash over name, size and time of every file, none of which is opened."""
        digest = hashlib.sha256()
        for split, files in sorted(self.splits.items()):
            for file in files:
                line = f"{split}\0{file.filename}\0{_size_and_time(file.path)}\n"
                digest.update(line.encode(errors="surrogateescape"))
        return digest.hexdigest()


def _size_and_time(path: str) -> str:
    try:
        facts = os.stat(path)
    except OSError:
        return "cannot be read"
    return f"{facts.st_size}\0{facts.st_mtime_ns}"


def walk_classes(root: str | os.PathLike[str], split: str = "") -> Source:
    """Sorts the files of a tree with folders `0_real` and `1_fake`.

    `split` is the name of the one split of a tree without split folders; '' means 'test'.

    Raises:
      ValueError: no file lies as the layout says, or `split` is given for a tree that has splits.
    """
    root = directory(root)
    files = list(walk_files(root))
    divided = any(parts[0] in SPLIT_FOLDERS and _class_of(parts) is not None for _, parts in files)
    check_split_option(root, split, divided)
    source = Source(root.name)
    for path, parts in files:
        name, label = "/".join(parts), _class_of(parts)
        target, above = _split_and_rest(parts[:-2], split, divided)
        if label is None:
            source.leave_out(name, "not in a folder 0_real or 1_fake")
        elif not target:
            source.leave_out(name, OUTSIDE_SPLITS)
        elif len(above) > 2:
            source.leave_out(name, "deeper than <generator>/<class>")
        elif is_hidden(parts[-1]):
            source.leave_out(name, "hidden file")
        else:
            generator, class_name = (*(above or [root.name]), "")[:2]
            source.add(target, ImageFile(path, name, label, generator, class_name))
    if not source.splits:
        found = ", ".join(sorted({parts[0] for _, parts in files})[:8]) or "nothing"
        raise UserError(
            f"{root} holds no images laid out as {LAYOUT} (found at its top: {found}). Arrange "
            "them so, or give --photographs=DIR and --generated=DIR."
        )
    _check_split_names(root, files if divided else [])
    return source


def walk_separate(
    photographs: str | os.PathLike[str], generated: str | os.PathLike[str], split: str = ""
) -> Source:
    """Sorts the files of two trees, one of photographs and one of generated images.

    Every file counts. In the tree of generated images the topmost folder is the generator, files
    beside such folders are of the generator 'generated'; photographs are all of the source
    'photographs'. Split folders at the top divide both; `split` is as in `walk_classes`.

    Raises:
      ValueError: a tree is empty, only one is divided, or `split` is given for divided trees.
    """
    roots = [directory(photographs), directory(generated)]
    listings = [list(walk_files(root)) for root in roots]
    for root, files in zip(roots, listings, strict=True):
        if not files:
            raise UserError(f"{root} holds no files. Give the folder that holds the images.")
    divided, also = (
        any(parts[0] in SPLIT_FOLDERS and len(parts) > 1 for _, parts in files)
        for files in listings
    )
    if divided != also:
        raise UserError(
            f"only one of {roots[0]} and {roots[1]} has split folders "
            f"({', '.join(SPLIT_FOLDERS)}): divide both alike or neither."
        )
    check_split_option(roots[0], split, divided)
    source = Source(roots[1].name)
    for label, (side, files) in enumerate(zip(("photographs", "generated"), listings, strict=True)):
        for path, parts in files:
            name = "/".join((side, *parts))
            target, above = _split_and_rest(parts[:-1], split, divided)
            if not target:
                source.leave_out(name, OUTSIDE_SPLITS)
            elif is_hidden(parts[-1]):
                source.leave_out(name, "hidden file")
            else:
                generator = above[0] if label == GENERATED and above else side
                source.add(target, ImageFile(path, name, label, generator))
        _check_split_names(roots[label], files if divided else [])
    return source


def walk_photographs(root: str | os.PathLike[str], split: str = "") -> Source:
    """Sorts the files of a tree of photographs alone, in which every file counts.

    The topmost folder is the source of the photographs; files beside such folders are of the source
    'photographs'. There are no split folders: `split` is that of all, '' means 'train'.

    Raises:
      ValueError: the tree is empty, or has folders of generated images.
    """
    root = directory(root)
    source = Source(root.name)
    for path, parts in walk_files(root):
        name = "/".join(parts)
        if _class_of(parts) == GENERATED:
            raise UserError(
                f"{root} holds generated images ({name}). Give the tree as --source, of which the "
                "photographs are taken, or a folder of photographs alone."
            )
        if is_hidden(parts[-1]):
            source.leave_out(name, "hidden file")
        else:
            above = parts[0] if len(parts) > 1 and parts[0] not in CLASS_FOLDERS else "photographs"
            source.add(split or "train", ImageFile(path, name, PHOTOGRAPH, above))
    if not source.splits:
        raise UserError(f"{root} holds no files. Give the folder that holds the photographs.")
    return source


def _split_and_rest(
    above: tuple[str, ...], split: str, divided: bool
) -> tuple[str, tuple[str, ...]]:
    """The split of a file by the folders above it, '' where it has none, and the other folders."""
    if not divided:
        return split or "test", above
    return SPLIT_FOLDERS.get(above[0], "") if above else "", above[1:]


def directory(root: str | os.PathLike[str]) -> Path:
    """Returns the absolute path of a directory, or raises ValueError."""
    path = Path(os.path.abspath(root))
    if not path.is_dir():
        raise UserError(f"source {path} is not a directory. Give the folder that holds the images.")
    return path


def walk_files(root: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yields (path, parts below the root) of all files, in the order of `file_tree.walk_files`.

    Files that cannot be opened are among them; a folder that cannot be read raises UserError.
    """
    for file in file_tree.walk_files(root):
        if file.is_folder:
            raise UserError(
                f"folder {file.path} {file.problem}. Make it readable, or move it out of the "
                "source."
            )
        # Bytes of names that are no UTF-8, which Linux allows, become backslash escapes.
        names = map(os.fsencode, Path(file.path).relative_to(root).parts)
        yield file.path, tuple(name.decode("utf-8", "backslashreplace") for name in names)


def _class_of(parts: tuple[str, ...]) -> int | None:
    return CLASS_FOLDERS.get(parts[-2]) if len(parts) > 1 else None


def is_hidden(name: str) -> bool:
    """Returns whether a file is one that operating systems leave behind."""
    return name.startswith(".") or name.lower() in ("thumbs.db", "desktop.ini")


def check_split_option(root: Path, split: str, divided: bool) -> None:
    """Raises ValueError where `--split` is given for a tree that has split folders."""
    if split and divided:
        raise UserError(
            f"--split={split} is given, but {root} has split folders of its own. Leave --split "
            "out, or point at one of them."
        )


def _check_split_names(root: Path, files: Iterable[tuple[str, tuple[str, ...]]]) -> None:
    if {"val", "validation"} <= {parts[0] for _, parts in files}:
        raise UserError(f"{root} has both val and validation. Merge them into one folder.")
