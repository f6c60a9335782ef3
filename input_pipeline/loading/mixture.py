"""One or several prepared data sets, read as one."""

import bisect
import collections
import dataclasses
import hashlib
import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.storage.prepared_dataset import PreparedDataset
from input_pipeline.storage.record_table import RecordTable, read_table
from input_pipeline.storage.tfrecord import TFRecordSource

_LONGEST_NAME = 100  # characters; names of data sets become names of directories


@dataclass(frozen=True)
class MixedSplit:
    """One split of all data sets that have it, one after another."""

    names: tuple[str, ...]  # of the data sets that have it
    lengths: tuple[int, ...]  # images of each
    source: TFRecordSource  # random access to the records of all
    # {name: {'photographs': images, 'generated': images}}; what several data sets have of the same
    # name is added up
    generators: Mapping[str, Mapping[str, int]]

    def table(self) -> RecordTable:
        """Returns the facts of all records; data sets are numbered in the order of `names`."""
        numbers = np.repeat(np.arange(len(self.names), dtype=np.int32), self.lengths)
        return dataclasses.replace(read_table(self.source), datasets=numbers)

    def unique_filename(self, index: int, filename: str) -> str:
        """Puts the data set's name in front of a record's file name where there are several."""
        if len(self.names) == 1:
            return filename
        ends = list(itertools.accumulate(self.lengths))
        return f"{self.names[bisect.bisect_right(ends, index)]}/{filename}"


class MixedDataset:
    """Prepared data sets in the order given; also a single one.

    Raises:
      ValueError: one is given twice, or two cannot be told apart by name.
    """

    def __init__(self, datasets: Sequence[PreparedDataset]) -> None:
        self.datasets = tuple(datasets)
        # Each by its own name, or, where several have that name, by the directory it lies in.
        self.names = _unique_names(self.datasets)

    @classmethod
    def load(cls, paths: Sequence[str | os.PathLike[str]]) -> "MixedDataset":
        """Opens prepared directories; see `PreparedDataset.load` for what is refused."""
        return cls([PreparedDataset.load(path) for path in paths])

    @property
    def name(self) -> str:
        """The names of all, such as 'a+b'; where that is long, their number and fingerprint."""
        name = "+".join(self.names)
        if len(name) <= _LONGEST_NAME or len(self.names) == 1:
            return name
        return f"{len(self.names)}_data_sets_{self.fingerprint[:8]}"

    @property
    def fingerprint(self) -> str:
        """Changes with the content of a data set and with their order."""
        fingerprints = [dataset.info["fingerprint"] for dataset in self.datasets]
        if len(fingerprints) == 1:
            return fingerprints[0]
        return hashlib.sha256("\0".join(fingerprints).encode()).hexdigest()

    @property
    def storages(self) -> set[str]:
        """How the data sets store images: 'encoded', 'decoded'."""
        return {dataset.info["storage"] for dataset in self.datasets}

    @property
    def simulated(self) -> bool:
        """Whether images of the embedded simulation are among them."""
        return any(dataset.simulated for dataset in self.datasets)

    def lacking(self, split: str) -> dict[str, list[str]]:
        """Returns the data sets without a split, and the splits that they have instead."""
        named = zip(self.names, self.datasets, strict=True)
        return {name: sorted(d.splits) for name, d in named if split not in d.splits}

    def split(self, name: str) -> MixedSplit:
        """Returns that split of all data sets that have it, or raises ValueError if none has."""
        named = zip(self.names, self.datasets, strict=True)
        having = [(own, d.path, d.splits[name]) for own, d in named if name in d.splits]
        if not having:
            raise UserError(f"there is no split {name!r}; {self.lacking(name)} are there.")
        source = TFRecordSource([path / s for _, path, split in having for s in split.shards])
        lengths = iter(source.shard_lengths)
        counted = [sum(itertools.islice(lengths, len(split.shards))) for *_, split in having]
        generators: dict[str, collections.Counter[str]] = {}
        for *_, split in having:
            for generator, counts in split.generators.items():
                generators.setdefault(generator, collections.Counter()).update(counts)
        return MixedSplit(tuple(own for own, *_ in having), tuple(counted), source, generators)


def _unique_names(datasets: Sequence[PreparedDataset]) -> tuple[str, ...]:
    paths = [Path(os.path.realpath(dataset.path)) for dataset in datasets]
    if len(set(paths)) < len(paths):
        raise UserError(
            f"the data sets {[str(dataset.path) for dataset in datasets]} name one twice. Name "
            "each once; data.weights decides how much of an epoch it gets."
        )
    own = [dataset.info["name"] for dataset in datasets]
    names = [
        name if own.count(name) == 1 else path.name for name, path in zip(own, paths, strict=True)
    ]
    if len(set(names)) < len(names):
        raise UserError(
            f"the data sets {names} cannot be told apart by their names. Rename a directory, or "
            "prepare one with another --name."
        )
    return tuple(names)
