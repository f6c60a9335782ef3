"""Folder trees of photographs and generated images: which file is what.

    [<split>/]<generator>/[<class>/]{0_real,1_fake}/<file>

The classes of a generator are pooled. Folders named like splits at the top of the tree divide it;
without them the whole tree is one split. Nothing is guessed: a file anywhere else is a stray, which
is reported and never counted.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from input_pipeline.errors import UserError
from input_pipeline.images import file_tree
from input_pipeline.storage.dataset_writer import Stray
from input_pipeline.storage.records import GENERATED, PHOTOGRAPH

CLASS_FOLDERS = {"0_real": PHOTOGRAPH, "1_fake": GENERATED}
SPLIT_FOLDERS = {
    "train": "train",
    "val": "validation",
    "validation": "validation",
    "dev": "dev",
    "test": "test",
}
LAYOUT = "[<split>/]<generator>/[<class>/]{0_real,1_fake}/<file>"


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file that should be an image.

    Attributes:
      path: where it lies.
      filename: its path relative to the root of the source, with forward slashes.
      label: 0 photograph, 1 generated.
      generator: the folder that names its maker or source.
      class_name: the folder between the generator and 0_real or 1_fake, '' where there is none.
    """

    path: str
    filename: str
    label: int
    generator: str
    class_name: str = ""


@dataclass
class Tree:
    """What lies in a folder tree, in an order that depends on names alone.

    Attributes:
      splits: {split: its files}.
      strays: every other file.
    """

    splits: dict[str, list[ImageFile]] = field(default_factory=dict)
    strays: list[Stray] = field(default_factory=list)


def walk_classes(root: str | os.PathLike[str], split: str = "") -> Tree:
    """Sorts the files of a tree with folders `0_real` and `1_fake`.

    Args:
      root: the tree.
      split: name of the one split of a tree without split folders; '' means 'test'.

    Raises:
      ValueError: no file lies as the layout says, or `split` is given for a tree that has splits.
    """
    root = directory(root)
    files = [(path, parts) for path, parts in walk_files(root)]
    divided = any(parts[0] in SPLIT_FOLDERS and _class_of(parts) is not None for _, parts in files)
    check_split_option(root, split, divided)

    tree = Tree()
    for path, parts in files:
        name = "/".join(parts)
        label = _class_of(parts)
        above = list(parts[:-2])
        if label is None:
            tree.strays.append(Stray(name, "not in a folder 0_real or 1_fake"))
            continue
        if divided and (not above or above[0] not in SPLIT_FOLDERS):
            tree.strays.append(Stray(name, "outside the split folders of this tree"))
            continue
        target = SPLIT_FOLDERS[above.pop(0)] if divided else split or "test"
        if len(above) > 2:
            tree.strays.append(Stray(name, "deeper than <generator>/<class>"))
        elif is_hidden(parts[-1]):
            tree.strays.append(Stray(name, "hidden file"))
        else:
            generator = above[0] if above else root.name
            class_name = above[1] if len(above) > 1 else ""
            file = ImageFile(path, name, label, generator, class_name)
            tree.splits.setdefault(target, []).append(file)
    if not tree.splits:
        found = ", ".join(sorted({parts[0] for _, parts in files})[:8]) or "nothing"
        raise UserError(
            f"{root} holds no images laid out as {LAYOUT} (found at its top: {found}). Arrange "
            "them so, or give --photographs=DIR and --generated=DIR."
        )
    _check_split_names(root, files if divided else [])
    return tree


def walk_separate(
    photographs: str | os.PathLike[str], generated: str | os.PathLike[str], split: str = ""
) -> Tree:
    """Sorts the files of two trees, one of photographs and one of generated images.

    Every file counts. In the tree of generated images the topmost folder is the generator, files
    beside such folders are of the generator 'generated'; photographs are all of the source
    'photographs'. Split folders at the top divide both.

    Args:
      photographs: tree of photographs.
      generated: tree of generated images.
      split: as in `walk_classes`.

    Raises:
      ValueError: a tree is empty, only one is divided, or `split` is given for divided trees.
    """
    roots = [directory(photographs), directory(generated)]
    listings = [list(walk_files(root)) for root in roots]
    for root, files in zip(roots, listings, strict=True):
        if not files:
            raise UserError(f"{root} holds no files. Give the folder that holds the images.")
    divisions = [
        any(parts[0] in SPLIT_FOLDERS and len(parts) > 1 for _, parts in files)
        for files in listings
    ]
    if divisions[0] != divisions[1]:
        raise UserError(
            f"only one of {roots[0]} and {roots[1]} has split folders "
            f"({', '.join(SPLIT_FOLDERS)}): divide both alike or neither."
        )
    divided = divisions[0]
    check_split_option(roots[0], split, divided)
    tree = Tree()
    for label, (side, files) in enumerate(zip(("photographs", "generated"), listings, strict=True)):
        for path, parts in files:
            name = "/".join((side, *parts))
            inner = list(parts)
            if divided and (len(inner) == 1 or inner[0] not in SPLIT_FOLDERS):
                tree.strays.append(Stray(name, "outside the split folders of this tree"))
                continue
            target = SPLIT_FOLDERS[inner.pop(0)] if divided else split or "test"
            if is_hidden(inner[-1]):
                tree.strays.append(Stray(name, "hidden file"))
                continue
            generator = inner[0] if label == GENERATED and len(inner) > 1 else side
            tree.splits.setdefault(target, []).append(ImageFile(path, name, label, generator))
    if divided:
        for root, files in zip(roots, listings, strict=True):
            _check_split_names(root, files)
    return tree


def directory(root: str | os.PathLike[str]) -> Path:
    """Returns the absolute path of a directory, or raises ValueError."""
    path = Path(os.path.abspath(root))
    if not path.is_dir():
        raise UserError(f"source {path} is not a directory. Give the folder that holds the images.")
    return path


def walk_files(root: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yields (path, parts below the root) of all files, in the order of `file_tree.walk_files`.

    Files that cannot be opened are among them.

    Raises:
      UserError: a folder cannot be read.
    """
    for file in file_tree.walk_files(root):
        if file.is_folder:
            raise UserError(
                f"folder {file.path} {file.problem}. Make it readable, or move it out of the "
                "source."
            )
        yield file.path, tuple(map(_as_text, Path(file.path).relative_to(root).parts))


def _as_text(name: str) -> str:
    """Writes bytes of a file name that are no UTF-8, which Linux allows, as backslash escapes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


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
    tops = {parts[0] for _, parts in files}
    if {"val", "validation"} <= tops:
        raise UserError(f"{root} has both val and validation. Merge them into one folder.")
