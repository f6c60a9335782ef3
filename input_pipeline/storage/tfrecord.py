"""TFRecord shards: writing, and random access by an offset index with checksums verified.

Framing of one record (all integers little-endian):

    uint64  length of the data
    uint32  masked CRC32C of the eight length bytes
    bytes   data
    uint32  masked CRC32C of the data

Beside every shard lies `<shard>.index`, an int64 `.npy` array [1 + records, 2]: the shard's size
and record count, then each record's data offset and length. It is a cache: where it is missing or
not this shard's, it is rebuilt from the headers.

Reads are positional (`os.pread`), never memory-mapped: a file cut short while it is read gives an
exception and not a killed process.
"""

import bisect
import contextlib
import copy
import itertools
import os
import struct
import threading
from array import array
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import google_crc32c
import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.storage.atomic_files import whole_file
from input_pipeline.storage.whole_content import DAMAGES

_LENGTH_BYTES, _HEADER_BYTES, _FOOTER_BYTES = 8, 12, 4
FRAME_BYTES = _HEADER_BYTES + _FOOTER_BYTES
_EMPTY = np.empty(0, np.uint8)
INDEX_SUFFIX = ".index"


class CorruptRecordError(UserError):
    """A shard that is cut short or holds other bytes than were written."""


def masked_crc32c(*parts: bytes | np.ndarray) -> int:
    """CRC32C of the parts one after another, rotated and offset as TFRecord stores it."""
    crc = 0
    for part in parts:
        crc = google_crc32c.extend(crc, part)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


class ShardWriter:
    """Appends records to an open file and keeps their places, see `new_shard`."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.places: list[tuple[int, int]] = []  # data offset and length of each record
        self.num_bytes = 0  # framing included

    def write(self, data: bytes) -> None:
        """Appends one record."""
        length = struct.pack("<Q", len(data))
        self._file.write(length + struct.pack("<I", masked_crc32c(length)))
        self._file.write(data)
        self._file.write(struct.pack("<I", masked_crc32c(data)))
        self.places.append((self.num_bytes + _HEADER_BYTES, len(data)))
        self.num_bytes += _HEADER_BYTES + len(data) + _FOOTER_BYTES


@contextlib.contextmanager
def new_shard(path: str | os.PathLike[str]) -> Iterator[ShardWriter]:
    """Writes one shard and its index; neither name exists until the block ends without error."""
    with whole_file(path) as file:
        writer = ShardWriter(file)
        yield writer
        file.flush()
        os.fsync(file.fileno())  # data on disk, then the index, then the name
        _write_index(path, writer.num_bytes, writer.places)


class TFRecordSource:
    """Random access over the records of several shards, in the order given, or over some of them.

    A grain `RandomAccessDataSource`: `len(source)`, `source[i] -> bytes`. It can be pickled (each
    process opens the shards for itself) and may be used from several threads.

    Raises:
      ValueError: a shard does not exist.
      CorruptRecordError: a shard without a fitting index does not parse to its end.
    """

    def __init__(self, paths: Sequence[str | os.PathLike[str]]) -> None:
        self.paths = tuple(os.fspath(path) for path in paths)
        tables = [_load_index(path) for path in self.paths]
        self.shard_lengths = tuple(map(len, tables))  # records of each; () of a `subset`
        # Not NumPy arrays: looking a single number up in one is several times slower.
        self._starts = [0, *itertools.accumulate(self.shard_lengths)]
        self._offsets, self._lengths = array("q"), array("q")
        for table in tables:
            self._offsets.frombytes(table[:, 0].tobytes())
            self._lengths.frombytes(table[:, 1].tobytes())
        self._records: Sequence[int] = range(len(self._offsets))
        self._files = _OpenFiles(self.paths)

    def subset(self, records: np.ndarray) -> "TFRecordSource":
        """Returns a source of some records, int [n], in the order given; it shares open files."""
        part = copy.copy(self)
        part.shard_lengths = ()
        part._records = array("q", np.asarray(self._records, np.int64)[records].tobytes())
        return part

    def __len__(self) -> int:
        return len(self._records)

    def __repr__(self) -> str:
        return f"TFRecordSource({len(self.paths)} shards, {len(self)} records)"

    def __getitem__(self, index: int) -> bytes:
        """Returns the data of record `index`, checksums verified.

        Raises:
          IndexError: there is no such record.
          CorruptRecordError: naming the shard, the record in it and its offset.
        """
        return bytes(self.read_into(index, np.empty(self.length(index) + FRAME_BYTES, np.uint8)))

    def length(self, index: int) -> int:
        """Returns the size of record `index` in bytes."""
        return self._lengths[self._record(index)]

    def read_into(
        self, index: int, scratch: np.ndarray, tail: np.ndarray | None = None
    ) -> memoryview:
        """Reads record `index` into a buffer that the caller uses again, sparing an allocation.

        Args:
          index: which record.
          scratch: contiguous uint8 buffer of at least `length(index) + FRAME_BYTES`.
          tail: contiguous uint8 array that receives the last `tail.size` bytes of the record, which
            spares the copy of a large field at its end; at most `length(index)`.

        Returns:
          The record's data without the tail, a view into `scratch` that the next read overwrites.

        Raises:
          CorruptRecordError: naming the shard, the record in it and its offset.
        """
        record = self._record(index)
        shard, offset, length = self._locate(record)
        tail = _EMPTY if tail is None else tail
        stop = _HEADER_BYTES + length - tail.size
        footer = scratch[stop : stop + _FOOTER_BYTES]
        parts = [scratch[:stop].data, tail.data, footer.data]
        found = _read_parts(self._files[shard], parts, offset - _HEADER_BYTES)
        head = scratch[_HEADER_BYTES:stop]
        if found != length + FRAME_BYTES:
            problem = f"the file ends after {found} of its {length + FRAME_BYTES} bytes"
        elif struct.unpack("<QI", scratch[:_HEADER_BYTES].data) != (
            length,
            masked_crc32c(scratch[:_LENGTH_BYTES]),
        ):
            problem = "its header does not match the index or its checksum"
        elif struct.unpack("<I", footer.data)[0] != masked_crc32c(head, tail):
            problem = "the data does not match its checksum"
        else:
            return head.data
        number = record - self._starts[shard]
        raise _corrupt(self.paths[shard], number, offset - _HEADER_BYTES, problem)

    def peek(self, index: int, size: int) -> bytes:
        """Returns at most the first `size` bytes of record `index`; no checksum covers them."""
        shard, offset, length = self._locate(self._record(index))
        return os.pread(self._files[shard], min(size, length), offset)

    def _record(self, index: int) -> int:
        """The number among all records of the shards."""
        try:
            return self._records[index]
        except IndexError:
            raise IndexError(f"record {index} of a source of {len(self)} records") from None

    def _locate(self, record: int) -> tuple[int, int, int]:
        shard = bisect.bisect_right(self._starts, record) - 1
        return shard, self._offsets[record], self._lengths[record]


class _OpenFiles:
    """Files, each opened when it is first read, in every process anew."""

    def __init__(self, paths: tuple[str, ...]) -> None:
        self._paths = paths
        self._descriptors: list[int | None] = [None] * len(paths)
        self._lock = threading.Lock()

    def __getitem__(self, number: int) -> int:
        descriptor = self._descriptors[number]
        if descriptor is None:
            with self._lock:
                descriptor = self._descriptors[number]
                if descriptor is None:
                    descriptor = os.open(self._paths[number], os.O_RDONLY | os.O_CLOEXEC)
                    self._descriptors[number] = descriptor
        return descriptor

    def __reduce__(self) -> tuple[Any, ...]:
        return _OpenFiles, (self._paths,)

    def __del__(self) -> None:
        for descriptor in self._descriptors:
            if descriptor is not None:
                os.close(descriptor)


def _corrupt(path: str, number: int, at: int, problem: str) -> CorruptRecordError:
    return CorruptRecordError(
        f"{path}: record {number} at byte {at} is corrupt: {problem}. Prepare the data set again, "
        "or restore this shard from its copy."
    )


def _read_parts(descriptor: int, parts: list[memoryview], offset: int) -> int:
    """Fills the parts one after another from a file position; returns the bytes read."""
    if hasattr(os, "preadv"):
        return os.preadv(descriptor, parts, offset)
    # macOS before Python 3.13 has the plain call only.
    data = os.pread(descriptor, sum(map(len, parts)), offset)
    at = 0
    for part in parts:
        piece = data[at : at + len(part)]
        part[: len(piece)] = piece
        at += len(piece)
    return at


def _load_index(path: str) -> np.ndarray:
    """Returns int64 [records, 2] (data offset, length) of one shard."""
    try:
        size = os.stat(path).st_size
    except FileNotFoundError as error:
        raise UserError(
            f"shard {path} does not exist. Prepare the data set again, or correct its path."
        ) from error
    table = _read_index(path, size)
    if table is not None and _agrees_with_headers(table, path):
        return table
    try:
        entries = _scan(path, size)
    except CorruptRecordError:
        if table is None:
            raise
        return table  # the other records can still be read
    # A read-only data set works too; its index is rebuilt every time.
    with contextlib.suppress(OSError):
        _write_index(path, size, entries)
    return np.array(entries, np.int64).reshape(-1, 2)


def _read_index(path: str, size: int) -> np.ndarray | None:
    """Returns the index beside a shard; None where it is missing, damaged or of another size.

    An index of a shard of this size names record after record to its end, without gaps.
    """
    try:
        table = np.load(path + INDEX_SUFFIX, allow_pickle=False)
    except (OSError, *DAMAGES):
        return None
    if not isinstance(table, np.ndarray) or table.dtype != np.int64 or table.shape[1:] != (2,):
        return None
    if table[:1].tolist() != [[size, len(table) - 1]]:
        return None
    offsets, lengths = table[1:].T
    begins = np.concatenate([[0], offsets + lengths + _FOOTER_BYTES])
    follow = (begins[:-1] + _HEADER_BYTES == offsets).all() and begins[-1] == size
    return table[1:] if follow and (lengths >= 0).all() else None


def _agrees_with_headers(table: np.ndarray, path: str) -> bool:
    """Returns whether some headers of a shard have the lengths of the index.

    In a shard written anew with other lengths the records after the first of these lie elsewhere,
    so that most places of the old index hold no header.
    """
    offsets, lengths = table.T
    sample = np.unique(np.linspace(0, len(offsets) - 1, min(len(offsets), 16)).astype(int))
    with open(path, "rb", buffering=0) as file:
        headers = [
            os.pread(file.fileno(), _LENGTH_BYTES, offsets[place] - _HEADER_BYTES)
            for place in sample
        ]
    return headers == [struct.pack("<Q", lengths[place]) for place in sample]


def _write_index(
    path: str | os.PathLike[str], size: int, places: Sequence[tuple[int, int]]
) -> None:
    with whole_file(os.fspath(path) + INDEX_SUFFIX) as file:
        np.save(file, np.array([(size, len(places)), *places], np.int64))


def _scan(path: str, size: int) -> list[tuple[int, int]]:
    """Walks the headers of a shard; returns each record's data offset and length."""
    entries: list[tuple[int, int]] = []
    at = 0
    with open(path, "rb", buffering=0) as file:
        while at < size:
            header = os.pread(file.fileno(), _HEADER_BYTES, at)
            number = len(entries)
            if len(header) < _HEADER_BYTES:
                raise _corrupt(path, number, at, "the file ends inside its header")
            length, crc = struct.unpack("<QI", header)
            if masked_crc32c(header[:_LENGTH_BYTES]) != crc:
                raise _corrupt(path, number, at, "its header does not match its checksum")
            entries.append((at + _HEADER_BYTES, length))
            end = at + FRAME_BYTES + length
            if end > size:
                problem = f"the file ends after {size} bytes, the record at {end}"
                raise _corrupt(path, number, at, problem)
            at = end
    return entries
