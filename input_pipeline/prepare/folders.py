"""Folder trees of photographs and generated images: which file is what.

    [<split>/][<generator>/][<class>/]{0_real,1_fake}/<file>

`real` and `fake` are read as `0_real` and `1_fake`, in any case. Without a folder for it the
generator has the tree's name. The classes of a generator are pooled. Folders named like splits at
the top of the tree divide it; without them the whole tree is one split. Nothing is guessed: a file
anywhere else is a stray, which is reported and never counted; so is what is no picture by its name.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from input_pipeline.errors import UserError
from input_pipeline.images import file_tree
from input_pipeline.prepare.catalog import CatalogEntry
from input_pipeline.storage.records import GENERATED, PHOTOGRAPH
from input_pipeline.storage.shard_writer import Skipped

CLASS_FOLDERS = {
    "0_real": PHOTOGRAPH,
    "1_fake": GENERATED,
    "real": PHOTOGRAPH,
    "fake": GENERATED,
}  # in lower case
SPLIT_FOLDERS = {
    "train": "train",
    "val": "validation",
    "validation": "validation",
    "dev": "dev",
    "test": "test",
}
OUTSIDE_SPLITS = "outside the split folders of this tree"
LAYOUT = "[<split>/][<generator>/][<class>/]{0_real,1_fake}/<file>"
LEFT_OUT = "left out by name"  # the kind of strays that nobody has to mend


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
    # Folders that should hold images of one label, as in `filename`, whether they hold any or not.
    class_folders: set[str] = field(default_factory=set)

    def add(self, split: str, file: ImageFile) -> None:
        """Counts a file."""
        self.splits.setdefault(split, []).append(file)

    def expect(self, folders: Iterable[str]) -> None:
        """Notes a folder that should hold images."""
        self.class_folders.add("/".join(folders))

    def leave_out(self, *what: str) -> None:
        """Counts a file nowhere; `what` are the values of `Skipped`."""
        self.strays.append(Skipped(*what))

    def leave_out_by_name(self, name: str, what: str) -> None:
        """Counts nowhere what `file_tree` leaves out; empty folders are not even listed."""
        if what != file_tree.EMPTY_FOLDER:
            self.leave_out(name, what, LEFT_OUT)

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
    found = list(walk_files(root))
    files = [file for file in found if not file.left_out]
    divided = any(
        parts[0] in SPLIT_FOLDERS and _class_of(parts) is not None for _, parts, _ in files
    )
    check_split_option(root, split, divided)
    source = Source(root.name)
    for path, parts, left_out in found:
        name, label = "/".join(parts), _class_of(parts)
        target, above = _split_and_rest(parts[:-2], split, divided)
        if target and label is not None and len(above) <= 2:
            source.expect(parts[:-1])
        if left_out:
            source.leave_out_by_name(name, left_out)
        elif label is None:
            source.leave_out(name, "not in a folder 0_real or 1_fake")
        elif not target:
            source.leave_out(name, OUTSIDE_SPLITS)
        elif len(above) > 2:
            source.leave_out(name, "deeper than <generator>/<class>")
        else:
            generator, class_name = (*(above or [root.name]), "")[:2]
            source.add(target, ImageFile(path, name, label, generator, class_name))
    if not source.splits:
        top = ", ".join(sorted({file.parts[0] for file in found} - {""})[:8]) or "nothing"
        raise UserError(
            f"{root} holds no images laid out as {LAYOUT} (found at its top: {top}). Arrange "
            "them so, or give --photographs=DIR and --generated=DIR."
        )
    _check_split_names(root, files if divided else [])
    return source


def walk_separate(
    photographs: str | os.PathLike[str], generated: str | os.PathLike[str], split: str = ""
) -> Source:
    """Sorts the files of two trees, one of photographs and one of generated images.

    Every file counts that is not left out by its name. In the tree of generated images the topmost
    folder is the generator, files beside such folders are of the generator 'generated'; photographs
    are all of the source 'photographs'. Split folders at the top divide both; `split` is as in
    `walk_classes`.

    Raises:
      ValueError: both are one tree, a tree is empty, only one is divided, or `split` is given for
        divided trees.
    """
    roots = [directory(photographs), directory(generated)]
    if roots[0].resolve() == roots[1].resolve():
        raise UserError(
            f"{photographs} is given as --photographs and as --generated, so every picture would "
            "be both. Give two folders, or as --source one with folders 0_real and 1_fake inside."
        )
    listings = [list(walk_files(root)) for root in roots]
    for root, found in zip(roots, listings, strict=True):
        if all(file.left_out for file in found):
            raise UserError(f"{root} holds no images. Give the folder that holds them.")
    divided, also = (any(_is_below_split(file) for file in found) for found in listings)
    if divided != also:
        raise UserError(
            f"only one of {roots[0]} and {roots[1]} has split folders "
            f"({', '.join(SPLIT_FOLDERS)}): divide both alike or neither."
        )
    check_split_option(roots[0], split, divided)
    source = Source(roots[1].name)
    for label, (side, found) in enumerate(zip(("photographs", "generated"), listings, strict=True)):
        for path, parts, left_out in found:
            name = "/".join((side, *parts))
            target, above = _split_and_rest(parts[:-1], split, divided)
            if target and above and label == GENERATED:
                source.expect((side, *parts[: len(parts) - len(above)]))
            if left_out:
                source.leave_out_by_name(name, left_out)
            elif not target:
                source.leave_out(name, OUTSIDE_SPLITS)
            else:
                generator = above[0] if label == GENERATED and above else side
                source.add(target, ImageFile(path, name, label, generator))
        _check_split_names(roots[label], found if divided else [])
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
    for path, parts, left_out in walk_files(root):
        name = "/".join(parts)
        if left_out:
            source.leave_out_by_name(name, left_out)
            continue
        if _class_of(parts) == GENERATED:
            raise UserError(
                f"{root} holds generated images ({name}). Give the tree as --source, of which the "
                "photographs are taken, or a folder of photographs alone."
            )
        named = len(parts) > 1 and parts[0].lower() not in CLASS_FOLDERS
        above = parts[0] if named else "photographs"
        source.add(split or "train", ImageFile(path, name, PHOTOGRAPH, above))
    if not source.splits:
        raise UserError(f"{root} holds no images. Give the folder that holds the photographs.")
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


class Found(NamedTuple):
    """Something below the root of a source."""

    path: str
    parts: tuple[str, ...]  # below the root; those of an empty folder end with ''
    left_out: str  # see `file_tree.FoundFile`


def walk_files(root: Path) -> Iterator[Found]:
    """Yields what is below a folder, in the order of `file_tree.walk_files`.

    Files that cannot be opened are among it; a folder that cannot be read raises UserError.
    """
    for file in file_tree.walk_files(root):
        if file.is_folder and not file.left_out:
            raise UserError(
                f"folder {file.path} {file.problem}. Make it readable, or move it out of the "
                "source."
            )
        # Bytes of names that are no UTF-8, which Linux allows, become backslash escapes.
        names = map(os.fsencode, Path(file.path).relative_to(root).parts)
        parts = tuple(name.decode("utf-8", "backslashreplace") for name in names)
        is_empty = file.left_out == file_tree.EMPTY_FOLDER
        yield Found(file.path, (*parts, "") if is_empty else parts, file.left_out)


def _class_of(parts: tuple[str, ...]) -> int | None:
    return CLASS_FOLDERS.get(parts[-2].lower()) if len(parts) > 1 else None


def _is_below_split(file: Found) -> bool:
    return not file.left_out and len(file.parts) > 1 and file.parts[0] in SPLIT_FOLDERS


def check_split_option(root: Path, split: str, divided: bool) -> None:
    """Raises ValueError where `--split` is given for a tree that has split folders."""
    if split and divided:
        raise UserError(
            f"--split={split} is given, but {root} has split folders of its own. Leave --split "
            "out, or point at one of them."
        )


def _check_split_names(root: Path, files: Iterable[Found]) -> None:
    if {"val", "validation"} <= {file.parts[0] for file in files}:
        raise UserError(f"{root} has both val and validation. Merge them into one folder.")
