"""Where `prepare` takes images from: folder trees that the catalogue knows, and all others.

Of a catalogued data set, files are looked for in

    [<wrapper>/...][<split>/]<generator>/[<split>/][<class>/]{0_real,1_fake}/<file>

Folders are compared with the catalogue without case, '-', '_' and spaces. What the catalogue does
not know is a stray: a table averages over the generators that it names and no others.
"""

import difflib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from input_pipeline.errors import UserError
from input_pipeline.prepare.catalog import CatalogEntry, Generator, bare_name, find_entry
from input_pipeline.prepare.folders import (
    OUTSIDE_SPLITS,
    ImageFile,
    Source,
    check_split_option,
    directory,
    walk_classes,
    walk_files,
    walk_separate,
)
from input_pipeline.storage.records import PHOTOGRAPH


class _Place(NamedTuple):
    """What the folders above a file say."""

    split: str  # '' where they name none, as the class
    generator: str  # as the catalogue calls it
    class_name: str
    label: int
    prefix: str  # the folders but for class and label: where the generator lies


class _Nowhere(NamedTuple):
    """The reason why folders mean nothing, and its kind."""

    reason: str
    kind: str = "outside the layout"


def find_source(
    source: str | os.PathLike[str] | None = None,
    *,
    dataset: str = "",
    split: str = "",
    photographs: str | os.PathLike[str] | None = None,
    generated: str | os.PathLike[str] | None = None,
) -> Source:
    """Sorts the files of a source.

    Args:
      source: a tree laid out as `folders.walk_classes` says, or as the catalogue says of `dataset`.
      dataset: name in the catalogue, or ''.
      split: name of the split of a tree without split folders; '' means 'test', or the catalogue's.
      photographs: tree of photographs, together with `generated` in place of `source`.
      generated: tree of generated images.

    Raises:
      ValueError: an argument is not allowed, or the trees hold no images.
    """
    separate = photographs is not None or generated is not None
    if dataset and (source is None or separate):
        raise UserError(
            f"--dataset={dataset} needs --source=DIR, and neither --photographs nor --generated."
        )
    if source is not None and not separate:
        if dataset:
            return walk_entry(find_entry(dataset), source, split)
        return walk_classes(source, split)
    if source is None and photographs is not None and generated is not None:
        return walk_separate(photographs, generated, split)
    raise UserError(
        "give either --source=DIR with folders 0_real and 1_fake inside, or both --photographs=DIR "
        "and --generated=DIR."
    )


def walk_entry(entry: CatalogEntry, root: str | os.PathLike[str], split: str = "") -> Source:
    """Sorts the files of a copy of a catalogued data set.

    The root may be a folder around the copy, or one of its splits or generators; `split` is that of
    a tree without split folders, '' the entry's own default.

    Raises:
      ValueError: there is no such folder, no file in it belongs to the data set, a generator lies
        in it twice, or `split` is given for a tree that has splits.
    """
    root = directory(root)
    if split and split not in entry.splits.values():
        raise UserError(
            f"--split={split} is none of {entry.title}; it has "
            f"{', '.join(sorted(set(entry.splits.values())))}."
        )
    source = Source(root.name, entry)
    located: list[tuple[_Place, str, str]] = []
    places: dict[tuple[str, ...], _Place | _Nowhere] = {}
    for path, parts, left_out in walk_files(root):
        name, folders = "/".join(parts), parts[:-1]
        if folders not in places:
            places[folders] = _locate(entry, root, folders)
        place = places[folders]
        if isinstance(place, _Place):
            source.expect(folders)
        if left_out:
            source.leave_out_by_name(name, left_out)
        elif isinstance(place, _Nowhere):
            source.leave_out(name, *place)
        else:
            located.append((place, path, name))
    divided = any(place.split for place, _, _ in located)
    check_split_option(root, split, divided)
    for place, path, name in located:
        if divided and not place.split:
            source.leave_out(name, OUTSIDE_SPLITS)
            continue
        file = ImageFile(path, name, place.label, place.generator, place.class_name)
        source.add(place.split or split or next(iter(entry.splits.values())), file)
    _refuse_second_copies(root, places.values(), divided)
    if not source.splits:
        reasons = sorted({stray.reason for stray in source.strays})[:4]
        raise UserError(
            f"{root} holds no images of {entry.title}: {'; '.join(reasons) or 'it is empty'}. "
            f"Expected folders such as {entry.generators[0].folder}/0_real; "
            "`prepare --list` prints the catalogue."
        )
    return source


def _refuse_second_copies(root: Path, places: Iterable[_Place | _Nowhere], divided: bool) -> None:
    prefixes: dict[tuple[str, str], set[str]] = {}
    for place in places:
        if isinstance(place, _Place) and (place.split or not divided):
            prefixes.setdefault((place.split, place.generator), set()).add(place.prefix)
    for (split, generator), found in prefixes.items():
        if len(found) > 1:
            raise UserError(
                f"{root} holds {f'{split} ' if split else ''}images of {generator} in several "
                f"places: {', '.join(sorted(place or '.' for place in found))}. Point --source at "
                "one of them, or remove the others."
            )


def _locate(entry: CatalogEntry, root: Path, folders: tuple[str, ...]) -> _Place | _Nowhere:
    """Returns what the folders of a file mean, or why they mean nothing."""
    label = entry.label(folders[-1]) if folders else None
    if label is None:
        return _Nowhere("not in a folder 0_real or 1_fake")
    only = entry.generators[0] if len(entry.generators) == 1 else None
    generator, split, photographs = entry.find(root.name), entry.split(root.name), ""
    of_root = generator is not None
    classes: list[str] = []
    unknown, prefix = [root.name], list[str]()
    for folder in folders[:-1]:
        known, named_split = entry.find(folder), entry.split(folder)
        if class_name := _class_of(generator or only, folder):
            generator = generator or only
            classes.append(class_name)
            continue
        prefix.append(folder)
        if known is not None and (generator is None or of_root):
            generator, of_root = known, False
        elif known is not None and known is generator:
            pass  # GenImage has an archive's folder inside the generator's
        elif named_split and split in ("", named_split):
            split = named_split
        elif entry.is_foreign_split(folder):
            return _Nowhere(f"split {folder!r} is not part of {entry.name}", "other split")
        elif folder.lower() in entry.photographs and generator is None:
            photographs = folder.lower()
        elif generator is None:
            unknown.append(folder)
        else:
            classes.append(prefix.pop())

    if entry.is_foreign_split(root.name):
        return _Nowhere(f"split {root.name!r} is not part of {entry.name}", "other split")
    if photographs and label != PHOTOGRAPH:
        return _Nowhere(f"generated images in the photographs of {entry.name}")
    if not photographs and generator is None:
        return _unknown(entry, unknown[-1])
    if generator is not None and generator not in entry.generators:
        reason = f"generator {generator.folder!r} is not counted by {entry.name}"
        return _Nowhere(reason, "extra generator")
    if len(classes) > 1:
        return _Nowhere("deeper than <generator>/<class>")
    class_name = classes[0] if classes else ""
    if entry.only_classes and generator is not None and class_name not in generator.classes:
        return _Nowhere(f"class {class_name!r} is not part of {entry.name}", "unknown class")
    name = generator.folder if generator is not None else photographs
    return _Place(split, name, class_name, label, "/".join(prefix))


def _class_of(generator: Generator | None, folder: str) -> str:
    """Returns the class that a folder means, '' if the catalogue knows none."""
    names = generator.classes if generator is not None else ()
    return next((name for name in names if bare_name(name) == bare_name(folder)), "")


def _unknown(entry: CatalogEntry, folder: str) -> _Nowhere:
    names = {bare_name(generator.folder): generator.folder for generator in entry.generators}
    # Many names end alike (...GAN), so only a small difference is a typing error.
    close = difflib.get_close_matches(bare_name(folder), names, n=1, cutoff=0.8)
    hint = f"; did you mean {names[close[0]]}?" if close else ""
    return _Nowhere(f"folder {folder!r} is no generator of {entry.name}{hint}", "extra generator")
