"""What is known of every record without its image, in columns, kept beside the shards.

Holding images out, taking subsets and balancing need the names, labels, generators and classes of
all records, which would otherwise be read one record at a time. Beside every shard therefore lies
`<shard>.table.npz`. It is a cache, as the index is: where it is missing, damaged or made for other
records, it is rebuilt from the beginnings of the records.
"""

import contextlib
import hashlib
import os
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from input_pipeline.storage.atomic_files import whole_file
from input_pipeline.storage.records import RecordFacts, record_facts
from input_pipeline.storage.tfrecord import TFRecordSource

TABLE_SUFFIX = ".table.npz"
_COMPARED = 8  # records of a shard that a table is compared with before it is trusted


@dataclass(frozen=True)
class RecordTable:
    """Facts about n records, in their order.

    Attributes:
      names: uint8 [bytes]: the file names in UTF-8, one after another.
      ends: int64 [n]: where each of them ends.
      labels: uint8 [n]: 0 photograph, 1 generated.
      generators: int32 [n]: numbers in `generator_names`.
      classes: int32 [n]: numbers in `class_names`.
      datasets: int32 [n]: which of several data sets a record is of; 0 where there is one.
      generator_names: in alphabetical order.
      class_names: in alphabetical order; '' stands for none.
    """

    names: np.ndarray
    ends: np.ndarray
    labels: np.ndarray
    generators: np.ndarray
    classes: np.ndarray
    datasets: np.ndarray
    generator_names: tuple[str, ...]
    class_names: tuple[str, ...]

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
        )

    def name_hashes(self, prefix: str) -> np.ndarray:
        """Returns uint64 [n]: the first 8 bytes of SHA-256 of prefix, a zero byte, file name."""
        start = hashlib.sha256(f"{prefix}\0".encode())
        data, begin, digests = self.names.data, 0, []
        for end in self.ends.tolist():
            digest = start.copy()
            digest.update(data[begin:end])
            digests.append(digest.digest()[:8])
            begin = end
        return np.frombuffer(b"".join(digests), ">u8").astype(np.uint64)


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
    """Writes the table of a complete shard beside it.

    Raises:
      ValueError: there is no such shard, or one of its records lacks one of the facts.
      OSError: the directory cannot be written.
    """
    source = TFRecordSource([path])
    _write(source.paths[0], _scan(source, range(len(source))))


def _concatenate(tables: Sequence[RecordTable]) -> RecordTable:
    """Returns one table of the records of several."""
    generators, generator_names = _join_codes([(t.generators, t.generator_names) for t in tables])
    classes, class_names = _join_codes([(t.classes, t.class_names) for t in tables])
    starts = np.cumsum([0, *(len(table.names) for table in tables)])
    return RecordTable(
        names=_join((table.names for table in tables), np.uint8),
        ends=_join((t.ends + start for t, start in zip(tables, starts, strict=False)), np.int64),
        labels=_join((table.labels for table in tables), np.uint8),
        generators=generators,
        classes=classes,
        datasets=_join((table.datasets for table in tables), np.int32),
        generator_names=generator_names,
        class_names=class_names,
    )


def _shard_table(source: TFRecordSource, path: str, records: range) -> RecordTable:
    table = _read(path, len(records))
    if table is not None and _agrees(table, source, records):
        return table
    table = _scan(source, records)
    with contextlib.suppress(OSError):
        _write(path, table)
    return table


def _agrees(table: RecordTable, source: TFRecordSource, records: range) -> bool:
    """Compares a few records: shards of other decoded images may have the same size and count."""
    places = np.linspace(0, len(records) - 1, min(_COMPARED, len(records))).astype(int).tolist()
    return all(table.facts(place) == record_facts(source, records[place]) for place in places)


def _scan(source: TFRecordSource, records: range) -> RecordTable:
    """Makes the table of some records by looking at the beginning of each."""
    names, ends = bytearray(), np.empty(len(records), np.int64)
    labels = np.empty(len(records), np.uint8)
    generators, classes = np.empty((2, len(records)), np.int32)
    generator_codes: dict[str, int] = {}
    class_codes: dict[str, int] = {}
    for row, record in enumerate(records):
        facts = record_facts(source, record)
        names += facts.filename.encode()
        ends[row], labels[row] = len(names), facts.label
        generators[row] = generator_codes.setdefault(facts.generator, len(generator_codes))
        classes[row] = class_codes.setdefault(facts.class_name, len(class_codes))
    generators, generator_names = _join_codes([(generators, tuple(generator_codes))])
    classes, class_names = _join_codes([(classes, tuple(class_codes))])
    return RecordTable(
        names=np.frombuffer(bytes(names), np.uint8),
        ends=ends,
        labels=labels,
        generators=generators,
        classes=classes,
        datasets=np.zeros(len(records), np.int32),
        generator_names=generator_names,
        class_names=class_names,
    )


def _join_codes(
    columns: Sequence[tuple[np.ndarray, Sequence[str]]],
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Numbers the names of several columns anew, in the alphabetical order of all."""
    every = sorted({name for _, names in columns for name in names})
    number = {name: code for code, name in enumerate(every)}
    recoded = (
        np.array([number[name] for name in names], np.int32)[codes] for codes, names in columns
    )
    return _join(recoded, np.int32), tuple(every)


def _join(parts: Iterable[np.ndarray], dtype: type) -> np.ndarray:
    """Concatenates also where there are none."""
    return np.concatenate([np.empty(0, dtype), *parts])


def _write(path: str, table: RecordTable) -> None:
    columns: dict[str, Any] = {
        "shard_bytes": np.array(os.stat(path).st_size, np.int64),
        "names": table.names,
        "ends": table.ends,
        "labels": table.labels,
        "generators": table.generators,
        "generator_names": np.array(table.generator_names, np.str_),
        "classes": table.classes,
        "class_names": np.array(table.class_names, np.str_),
    }
    with whole_file(path + TABLE_SUFFIX) as file:
        np.savez(file, **columns)


def _read(path: str, count: int) -> RecordTable | None:
    """Returns the table beside a shard; None where it is missing, damaged or of another shard."""
    dtypes = {"shard_bytes": np.int64, "names": np.uint8, "ends": np.int64, "labels": np.uint8}
    dtypes |= {"generators": np.int32, "classes": np.int32}
    dtypes |= {"generator_names": np.str_, "class_names": np.str_}
    try:
        # Opened here: of a damaged file, NumPy would leave its own open.
        with open(path + TABLE_SUFFIX, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            columns = {name: arrays[name] for name in dtypes}
    except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile):
        return None
    if any(columns[name].dtype.type is not dtype for name, dtype in dtypes.items()):
        return None
    per_record = ("ends", "labels", "generators", "classes")
    if columns["shard_bytes"].tolist() != os.stat(path).st_size or any(
        columns[name].shape != (count,) for name in per_record
    ):
        return None
    return RecordTable(
        names=columns["names"],
        ends=columns["ends"],
        labels=columns["labels"],
        generators=columns["generators"],
        classes=columns["classes"],
        datasets=np.zeros(count, np.int32),
        generator_names=tuple(columns["generator_names"].tolist()),
        class_names=tuple(columns["class_names"].tolist()),
    )
