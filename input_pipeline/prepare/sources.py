"""Where `prepare` takes images from: which files, in which layout, of which data set."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from input_pipeline.errors import UserError
from input_pipeline.prepare.catalog import find_entry
from input_pipeline.prepare.catalog_entry import CatalogEntry
from input_pipeline.prepare.catalog_folders import walk_entry
from input_pipeline.prepare.folders import Tree, walk_classes, walk_separate


@dataclass(frozen=True)
class Source:
    """Folders of image files, sorted.

    Attributes:
      tree: the files.
      origin: the name of where they lie.
      entry: what the catalogue knows of them, or None.
    """

    tree: Tree
    origin: str
    entry: CatalogEntry | None = None

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
        for split, files in sorted(self.tree.splits.items()):
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
        entry = find_entry(dataset) if dataset else None
        tree = walk_entry(entry, source, split) if entry else walk_classes(source, split)
        return Source(tree, Path(os.path.abspath(source)).name, entry)
    if source is None and photographs is not None and generated is not None:
        tree = walk_separate(photographs, generated, split)
        return Source(tree, Path(os.path.abspath(generated)).name)
    raise UserError(
        "give either --source=DIR with folders 0_real and 1_fake inside, or both --photographs=DIR "
        "and --generated=DIR."
    )
