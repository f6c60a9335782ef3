"""A prepared data set on disk: one directory that this project and TFDS both read.

dataset.json       what is in it: name, storage, splits, shards, counts per generator, origin
<name>-<split>.tfrecord-00000-of-0000N       the records (see records.py), and beside each
<name>-<split>.tfrecord-00000-of-0000N.index its offset index (see tfrecord.py)
features.json, dataset_info.json             TFDS metadata
files.csv          every record: split, name, label, generator, class, size, SHA-256 of the file
skipped.csv        files of the source that are not in it, with the reason
plan.json          settings of `prepare`, and a hash over its source
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from input_pipeline.errors import UserError
from input_pipeline.storage.csv_files import iter_csv
from input_pipeline.storage.tfrecord import TFRecordSource
from input_pipeline.storage.whole_content import read_object, whole_content

DATASET_FILE = "dataset.json"
SKIPPED_FILE = "skipped.csv"
FILES_TABLE = "files.csv"
FORMAT_VERSION = 2
SIMULATION = "simulation"  # what the embedded simulation calls itself as a maker


@dataclass(frozen=True)
class Split:
    """One split of a prepared data set; its fields are those of its entry in `dataset.json`."""

    num_examples: int  # number of images
    num_bytes: int  # size of all its shards in bytes
    shards: Sequence[str]  # file names of its shards, in order
    shard_lengths: Sequence[int]  # images per shard
    # {name: {'photographs': images, 'generated': images}}
    generators: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, eq=False)
class PreparedDataset:
    """A prepared directory, its description read and its shards known to exist."""

    path: Path
    info: dict[str, Any]
    splits: dict[str, Split]

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "PreparedDataset":
        """Opens a prepared directory.

        Raises:
          ValueError: it is missing, no prepared data set or of a newer version, or lacks shards.
        """
        path = Path(path)
        file = path / DATASET_FILE
        how = "Write one with `python main.py prepare --source=FOLDERS --output=DIR`."
        if not path.is_dir():
            raise UserError(f"data set {path} is not a directory. {how}")
        remedy = "prepare the data set again."
        try:
            info = read_object(file, remedy)
        except FileNotFoundError as error:
            raise UserError(
                f"{path} is not a prepared data set: it has no {DATASET_FILE}. {how}"
            ) from error
        if info.get("format") != FORMAT_VERSION:
            raise UserError(
                f"{file} has format {info.get('format')!r}; this version reads {FORMAT_VERSION}. "
                "Prepare the data set again."
            )
        with whole_content(file, remedy):
            splits = {name: _split(entry) for name, entry in info["splits"].items()}
        missing = [s for split in splits.values() for s in split.shards if not (path / s).is_file()]
        if missing:
            raise UserError(
                f"{path} lacks {len(missing)} of its shards, the first is {missing[0]}. Copy them "
                "there or prepare the data set again."
            )
        return cls(path, info, splits)

    @property
    def simulated(self) -> bool:
        """Whether it holds images of the embedded simulation, or what was computed from them."""
        return self.info.get("made_by") == SIMULATION or self.info.get("simulated", False)

    def split(self, name: str) -> Split:
        """Returns a split, or raises ValueError where there is none of that name."""
        if name not in self.splits:
            raise UserError(
                f"data set {self.path} has no split {name!r}; it has {sorted(self.splits)}."
            )
        return self.splits[name]

    def files(self) -> Iterator[dict[str, str]]:
        """Yields the rows of `files.csv`, one per record: split, filename, label, sha256, ..."""
        path = self.path / FILES_TABLE
        try:
            yield from iter_csv(path)
        except FileNotFoundError as error:
            raise UserError(f"{path} is missing. Prepare the data set again.") from error

    def source(self, split: str) -> TFRecordSource:
        """Returns random access to the records of a split, in the order they were written."""
        return TFRecordSource([self.path / shard for shard in self.split(split).shards])


def _split(entry: Any) -> Split:
    """A split as `dataset.json` has it; `KeyError` or `TypeError` where it is none."""
    split = Split(**entry)
    if not all(isinstance(shard, str) and shard for shard in split.shards):
        raise TypeError(f"shards are {split.shards!r}")
    numbers = [split.num_examples, split.num_bytes, *split.shard_lengths]
    for counts in split.generators.values():
        numbers += [counts["photographs"], counts["generated"]]
    if not all(type(number) is int and number >= 0 for number in numbers):
        raise TypeError("numbers of images or bytes are no such numbers")
    return split


def missing_labels(generators: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Which generators of a split, as `Split` has them, lack images of one label, in words.

    Photographs under a name of their own stand beside all generators that have none. Where there
    are no such photographs, a generator without any has an empty or missing 0_real; where no
    generator needs them, they are a generator's with an empty or missing 1_fake.
    """
    without_photographs = [name for name, counts in generators.items() if not counts["photographs"]]
    without_generated = [name for name, counts in generators.items() if not counts["generated"]]
    if without_photographs and without_generated:
        return []
    return [
        *(f"{name} has no photographs" for name in without_photographs),
        *(f"{name} has no generated images" for name in without_generated),
    ]
