"""What the catalogue states of one published data set."""

import re
from dataclasses import dataclass

from input_pipeline.storage.records import GENERATED, PHOTOGRAPH

# The two folders, and spellings of them in copies of these archives.
_LABELS = {"real": PHOTOGRAPH, "fake": GENERATED, "0real": PHOTOGRAPH, "1fake": GENERATED}

_SPLIT_NAMES = ("train", "val", "validation", "dev", "test", "progantrain", "proganval")


@dataclass(frozen=True)
class Generator:
    """One generator of a data set.

    Attributes:
      folder: its folder in the published archive, and its name here.
      title: its name in the paper.
      aliases: other names of the folder, compared without case, '-', '_' and spaces.
      classes: names of its class folders; empty: no class folders, or not known.
      images: {split: published number of images, both classes}.
    """

    folder: str
    title: str = ""
    aliases: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    images: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Preprocessing:
    """What happens to images of one split before the network.

    Attributes:
      resize: edge in pixels of the square they are squashed to; 0: native size.
      crop: edge in pixels of a crop after that; 0: none.
      note: in words.
      tile: whether images below the crop are tiled, not padded by reflection.
      even: whether an odd last row or column is dropped.
    """

    resize: int
    crop: int
    note: str
    tile: bool = False
    even: bool = False


@dataclass(frozen=True)
class CatalogEntry:
    """One published data set.

    Attributes:
      name: as in `--dataset=`.
      title: as published.
      table: of the NPR paper that reports it, or None.
      generators: what the protocol averages over.
      beside: further generators that copies of it hold and the protocol does not count.
      photographs: folders of photographs that several generators share.
      splits: {folder name: split}; the first split is that of a tree without split folders.
      only_classes: whether images of classes that it does not name are no part of it; else they are
        pooled with the others.
      class_folders: {folder name: label}, beside 0_real and 1_fake.
      tolerance: images by which a published, rounded count may differ.
      counts_from: publication of the counts; '' where none is known.
      protocol: {split: Preprocessing}.
      homepage: where its owner publishes it.
      terms: under what terms, as far as known.
      citation: the publication.
    """

    name: str
    title: str
    table: int | None
    generators: tuple[Generator, ...]
    splits: dict[str, str]
    protocol: dict[str, Preprocessing]
    homepage: str
    terms: str
    citation: str
    beside: tuple[Generator, ...] = ()
    photographs: tuple[str, ...] = ()
    only_classes: bool = False
    class_folders: dict[str, int] | None = None
    tolerance: int = 0
    counts_from: str = ""

    def find(self, folder: str) -> Generator | None:
        """Returns the generator that a folder name means, among those that count and beside."""
        wanted = plain(folder)
        for generator in (*self.generators, *self.beside):
            if wanted in map(plain, (generator.folder, *generator.aliases)):
                return generator
        return None

    def label(self, folder: str) -> int | None:
        """Returns the label that a folder name means: 0 photographs, 1 generated, else None."""
        known = {**_LABELS, **(self.class_folders or {})}
        return known.get(plain(folder))

    def split(self, folder: str) -> str:
        """Returns the split that a folder name means, '' for none."""
        return {plain(name): split for name, split in self.splits.items()}.get(plain(folder), "")

    def is_foreign_split(self, folder: str) -> bool:
        """Returns whether a folder name means a split that is no part of this data set."""
        return plain(folder) in _SPLIT_NAMES and not self.split(folder)

    def counts(self, generator: Generator) -> bool:
        """Returns whether the protocol averages over this generator."""
        return generator in self.generators

    @property
    def default_split(self) -> str:
        """The split of a tree without split folders."""
        return next(iter(self.splits.values()))


def plain(name: str) -> str:
    """Reduces a folder name to what spellings have in common: lower-case letters and digits."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
