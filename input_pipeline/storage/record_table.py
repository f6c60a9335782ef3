"""What is known of every record without its image, in columns, kept beside the shards.

Holding images out, taking subsets and balancing need the names, labels, generators and classes of
all records, which would otherwise be read one record at a time. Beside every shard therefore lies
`<shard>.table.npz`. It is a cache, as the index is: where it is missing, damaged or made for other
records, it is rebuilt from the beginnings of the records.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from input_pipeline.storage.atomic_files import whole_file
from input_pipeline.storage.records import PHOTOGRAPH, RecordFacts, record_facts
from input_pipeline.storage.tfrecord import TFRecordSource
from input_pipeline.storage.whole_content import DAMAGES

TABLE_SUFFIX = ".table.npz"
# What the file holds, by name and type: the shard's size, and the fields of `RecordTable`.
_COLUMNS = {
    "shard_bytes": np.int64,
    "names": np.uint8,
    "ends": np.int64,
    "labels": np.uint8,
    "generators": np.int32,
    "generator_names": np.str_,
    "classes": np.int32,
    "class_names": np.str_,
    "pairs": np.int32,
    "pair_names": np.str_,
}
_PER_RECORD = ("ends", "labels", "generators", "classes", "pairs")
_COMPARED = 8  # records of a shard that a table is compared with before it is trusted


@dataclass(frozen=True)
class RecordTable:
    """Facts about n records, in their order."""

    names: np.ndarray  # uint8 [bytes]: the file names in UTF-8, one after another
    ends: np.ndarray  # int64 [n]: where each of them ends
    labels: np.ndarray  # uint8 [n]: 0 photograph, 1 generated
    generators: np.ndarray  # int32 [n]: numbers in `generator_names`
    classes: np.ndarray  # int32 [n]: numbers in `class_names`
    # int32 [n]: numbers in `pair_names`; records of one number are a photograph and what was made
    # from it, but for the number of ''
    pairs: np.ndarray
    # int32 [n]: which of several data sets a record is of; 0 where there is one
    datasets: np.ndarray
    generator_names: tuple[str, ...]  # in alphabetical order
    class_names: tuple[str, ...]  # in alphabetical order; '' stands for none
    pair_names: tuple[str, ...]  # in alphabetical order; '' stands for none

    def __len__(self) -> int:
        return len(self.labels)

    def facts(self, index: int) -> RecordFacts:
        """Returns the facts of one record."""
        begin = int(self.ends[index - 1]) if index else 0
        return RecordFacts(
            self.names[begin : self.ends[index]].tobytes().decode(),
            int(self.labels[index]),
            self.generator_names[self.generators[index]],
            self.class_names[self.classes[index]],
            self.pair_names[self.pairs[index]],
        )

    def name_hashes(self, prefix: str) -> np.ndarray:
        """Returns uint64 [n]: the first 8 bytes of SHA-256 of prefix, a zero byte, file name.

        Records of a pair have that of their photograph, so that they are never divided, nor from
        the same file in another data set; that of their pair's name where it is not among them.
        """
        start = hashlib.sha256(f"{prefix}\0".encode())
        text, begins = self.names.tobytes(), np.append(0, self.ends[:-1]).astype(np.int64)
        hashed = [name.encode() for name in self.pair_names]
        for index in np.flatnonzero((self.labels == PHOTOGRAPH) & (self.pairs != self._unpaired)):
            hashed[self.pairs[index]] = text[begins[index] : self.ends[index]]
        digests = []
        for begin, end, pair in zip(begins, self.ends, self.pairs.tolist(), strict=True):
            digest = start.copy()
            digest.update(text[begin:end] if pair == self._unpaired else hashed[pair])
            digests.append(digest.digest()[:8])
        return np.frombuffer(b"".join(digests), ">u8").astype(np.uint64)

    @property
    def _unpaired(self) -> int:
        """The number of '' in `pair_names`; -1 where all records have a pair."""
        return self.pair_names.index("") if "" in self.pair_names else -1


def read_table(source: TFRecordSource) -> RecordTable:
    """Returns the table of a source's records: from its shards' tables where it has shards.

    Tables that are missing, damaged or made for other records are written anew; where that is not
    possible, as in a read-only directory, they are made anew each time.

    Raises:
      ValueError: a record lacks one of the facts.
    """
    if not source.shard_lengths and len(source):
        return _scan(source, range(len(source)))
    tables, start = [], 0
    for path, length in zip(source.paths, source.shard_lengths, strict=True):
        tables.append(_shard_table(source, path, range(start, start + length)))
        start += length
    return _concatenate(tables)


def write_table(path: str | os.PathLike[str]) -> None:
    """Writes the table of a complete shard beside it; fails as `read_table` does."""
    source = TFRecordSource([path])
    _write(source.paths[0], _scan(source, range(len(source))))


def _concatenate(tables: Sequence[RecordTable]) -> RecordTable:
    """Returns one table of the records of several."""
    generators, generator_names = _join_codes([(t.generators, t.generator_names) for t in tables])
    classes, class_names = _join_codes([(t.classes, t.class_names) for t in tables])
    pairs, pair_names = _join_codes([(t.pairs, t.pair_names) for t in tables])
    starts = np.cumsum([0, *(len(table.names) for table in tables)])
    ends = (table.ends + start for table, start in zip(tables, starts, strict=False))
    return RecordTable(
        _join((table.names for table in tables), np.uint8),
        _join(ends, np.int64),
        _join((table.labels for table in tables), np.uint8),
        generators,
        classes,
        pairs,
        _join((table.datasets for table in tables), np.int32),
        generator_names,
        class_names,
        pair_names,
    )


def _shard_table(source: TFRecordSource, path: str, records: range) -> RecordTable:
    """Reads a shard's table if it agrees with a few of its records; else writes it anew.

    Shards of other decoded images may have the same size and count.
    """
    table = _read(path, len(records))
    places = np.linspace(0, len(records) - 1, min(_COMPARED, len(records))).astype(int).tolist()
    if table is not None and all(
        table.facts(i) == record_facts(source, records[i]) for i in places
    ):
        return table
    table = _scan(source, records)
    with contextlib.suppress(OSError):
        _write(path, table)
    return table


def _scan(source: TFRecordSource, records: range) -> RecordTable:
    """Makes the table of some records by looking at the beginning of each."""
    facts = [record_facts(source, record) for record in records]
    names = [fact.filename.encode() for fact in facts]
    generators, generator_names = _numbered([fact.generator for fact in facts])
    classes, class_names = _numbered([fact.class_name for fact in facts])
    pairs, pair_names = _numbered([fact.pair for fact in facts])
    return RecordTable(
        np.frombuffer(b"".join(names), np.uint8),
        np.cumsum([0, *map(len, names)])[1:],
        np.array([fact.label for fact in facts], np.uint8),
        generators,
        classes,
        pairs,
        np.zeros(len(facts), np.int32),
        generator_names,
        class_names,
        pair_names,
    )


def _numbered(values: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Numbers values in the alphabetical order of those there are."""
    names = tuple(sorted(set(values)))
    number = {name: code for code, name in enumerate(names)}
    return np.array([number[value] for value in values], np.int32), names


def _join_codes(
    columns: Sequence[tuple[np.ndarray, Sequence[str]]],
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Numbers the names of several columns anew, in the alphabetical order of all."""
    codes, names = _numbered([name for _, names in columns for name in names])
    starts = np.cumsum([0, *(len(own) for _, own in columns)])
    recoded = (codes[start:][old] for start, (old, _) in zip(starts, columns, strict=False))
    return _join(recoded, np.int32), names


def _join(parts: Iterable[np.ndarray], dtype: type) -> np.ndarray:
    """Concatenates also where there are none."""
    return np.concatenate([np.empty(0, dtype), *parts])


def _write(path: str, table: RecordTable) -> None:
    values = {"shard_bytes": os.stat(path).st_size, **vars(table)}
    columns: Any = {name: np.asarray(values[name], kind) for name, kind in _COLUMNS.items()}
    with whole_file(path + TABLE_SUFFIX) as file:
        np.savez(file, **columns)


def _read(path: str, count: int) -> RecordTable | None:
    """Returns the table beside a shard; None where it is missing, damaged or of another shard."""
    try:
        # Opened here: of a damaged file, NumPy would leave its own open.
        with open(path + TABLE_SUFFIX, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            columns = {name: arrays[name] for name in _COLUMNS}
    except (OSError, *DAMAGES):
        return None
    fits = (
        all(columns[name].dtype.type is kind for name, kind in _COLUMNS.items())
        and all(columns[name].shape == (count,) for name in _PER_RECORD)
        and columns.pop("shard_bytes").tolist() == os.stat(path).st_size
    )
    if not fits:
        return None
    for name in ("generator_names", "class_names", "pair_names"):
        columns[name] = tuple(columns[name].tolist())
    return RecordTable(**columns, datasets=np.zeros(count, np.int32))
