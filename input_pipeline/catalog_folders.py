"""Folder trees of catalogued data sets: which file is what, and what is not part of the protocol.

    [<wrapper>/...][<split>/]<generator>/[<split>/][<class>/]{0_real,1_fake}/<file>

Folders are compared with the catalogue without case, '-', '_' and spaces. What the catalogue does
not know is a stray: a table averages over the generators that it names and no others.
"""

import difflib
import os
from pathlib import Path
from typing import NamedTuple

from input_pipeline.catalog_entry import CatalogEntry, plain
from input_pipeline.folders import ImageFile, Stray, Tree, directory, is_hidden, walk_files


class _Place(NamedTuple):
    """What the folders above a file say."""

    split: str
    generator: str
    class_name: str
    wrapper: str


class _Nowhere(NamedTuple):
    """The reason why folders mean nothing, and its kind."""

    reason: str
    kind: str


def walk_entry(entry: CatalogEntry, root: str | os.PathLike[str], split: str = "") -> Tree:
    """Sorts the files of a copy of a catalogued data set.

    Args:
      entry: what it should hold.
      root: the copy, or a folder around it, or one of its splits or generators.
      split: the split of files that lie in no split folder; '' means the entry's own default.

    Raises:
      ValueError: there is no such folder, no file in it belongs to the data set, or a generator
        lies in it twice.
    """
    root = directory(root)
    if split and split not in entry.splits.values():
        raise ValueError(
            f"--split={split} is none of {entry.title}; it has "
            f"{', '.join(sorted(set(entry.splits.values())))}."
        )
    by_folder = {plain(folder): name for folder, name in entry.splits.items()}
    default = split or by_folder.get(plain(root.name), entry.default_split)
    tree = Tree()
    wrappers: dict[tuple[str, str], set[str]] = {}
    for path, parts in walk_files(root):
        name = "/".join(parts)
        label = entry.label(parts[-2]) if len(parts) > 1 else None
        place = _locate(entry, root, parts[:-2])
        if is_hidden(parts[-1]):
            tree.strays.append(Stray(name, "hidden file"))
        elif label is None:
            tree.strays.append(Stray(name, "not in a folder 0_real or 1_fake"))
        elif isinstance(place, _Nowhere):
            tree.strays.append(Stray(name, *place))
        else:
            file = ImageFile(path, name, label, place.generator, place.class_name)
            target = place.split or default
            tree.splits.setdefault(target, []).append(file)
            wrappers.setdefault((target, place.generator), set()).add(place.wrapper)
    for (target, generator), places in wrappers.items():
        if len(places) > 1:
            raise ValueError(
                f"{root} holds {target} images of {generator} in several places: "
                f"{', '.join(sorted(place or '.' for place in places))}. Point --source at one."
            )
    if not tree.splits:
        reasons = sorted({stray.reason for stray in tree.strays})[:4]
        raise ValueError(
            f"{root} holds no images of {entry.title}: {'; '.join(reasons) or 'it is empty'}. "
            f"Expected folders such as {entry.generators[0].folder}/0_real; "
            "`prepare --list` prints the catalogue."
        )
    return tree


def _locate(entry: CatalogEntry, root: Path, folders: tuple[str, ...]) -> _Place | _Nowhere:
    """Returns what the folders mean, or the reason why they mean nothing."""
    split = generator = ""
    unknown: list[str] = []
    classes: list[str] = []
    splits = {plain(folder): name for folder, name in entry.splits.items()}
    foreign = {plain(folder) for folder in entry.foreign_splits}
    only = entry.generators[0] if len(entry.generators) == 1 else None
    for folder in folders:
        known = entry.find(folder)
        if not split and plain(folder) in splits:
            split = splits[plain(folder)]
        elif plain(folder) in foreign and not generator:
            return _Nowhere(f"split {folder!r} is not part of {entry.name}", "other split")
        elif not generator and known is not None:
            if not entry.counts(known):
                return _Nowhere(
                    f"generator {folder!r} is not counted by {entry.name}", "extra generator"
                )
            generator = known.folder
        elif not generator and folder.lower() in entry.photographs:
            generator = folder.lower()
        elif not generator and only is not None and folder in only.classes:
            generator, classes = only.folder, [folder]
        elif not generator:
            unknown.append(folder)
        elif known is None or known.folder != generator:
            classes.append(folder)
    if not generator and (own := entry.find(root.name)) and entry.counts(own) and len(unknown) < 2:
        generator, classes, unknown = own.folder, unknown, []
    if not generator:
        return _unknown(entry, unknown[-1] if unknown else root.name)
    if len(classes) > 1:
        return _Nowhere("deeper than <generator>/<class>", "outside the layout")
    return _Place(split, generator, classes[0] if classes else "", "/".join(unknown))


def _unknown(entry: CatalogEntry, folder: str) -> _Nowhere:
    names = {plain(generator.folder): generator.folder for generator in entry.generators}
    # Many names end alike (...GAN), so only a small difference is a typing error.
    close = difflib.get_close_matches(plain(folder), names, n=1, cutoff=0.8)
    hint = f"; did you mean {names[close[0]]}?" if close else ""
    return _Nowhere(f"folder {folder!r} is no generator of {entry.name}{hint}", "extra generator")
