"""A row of the manifest -> the bytes that are scored, on whichever machine the worker is."""

import functools
import hashlib
import struct
import threading
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from input_pipeline.images.problems import UnreadableImageError
from input_pipeline.storage.records import decode_record, image_array
from input_pipeline.storage.tfrecord import masked_crc32c
from npr_jax.cluster.places import Place, bucket_of, place_of
from npr_jax.cluster.rows import CELL, FILE, RECORD

CRC_BYTES = 4  # that follow the data of a record


class Picture(NamedTuple):
    """What is scored, and the SHA-256 of the file that it came in."""

    data: bytes | np.ndarray  # a file, or its pixels uint8 [h, w, 3]
    sha256: str


class Reader:
    """Reads pictures; used by several threads."""

    def __init__(self, options: Mapping[str, str]):
        """``options``: bucket -> what its store needs to be told, see ``places.options_of``."""
        self._options = options
        self._lock = threading.Lock()
        self._column = functools.lru_cache(maxsize=2)(self._read_column)

    def __call__(self, row: Mapping[str, Any]) -> Picture:
        """What a row of the manifest stands for.

        Raises:
            OSError: as the file system says it.
            UserError: for what is not there, or not as it was written.
        """
        if row["problem"]:
            raise UnreadableImageError(row["problem"])
        if row["kind"] == FILE:
            return _of_bytes(self._read_file(row["path"]))
        if row["kind"] == CELL:
            return _of_bytes(self._read_cell(row["path"], row["start"], row["size"]))
        if row["kind"] == RECORD:
            return _of_record(self._read_part(row["path"], row["start"], row["size"] + CRC_BYTES))
        return _of_bytes(self._read_part(row["path"], row["start"], row["size"]))

    def _place(self, path: str) -> Place:
        options = self._options.get(bucket_of(path)) if "://" in path else None
        return place_of(f"{path}?{options}" if options else path)

    def _read_file(self, path: str) -> bytes:
        if "://" not in path:
            with open(path, "rb") as file:  # says in fewer words why it cannot be read
                return file.read()
        place = self._place(path)
        with place.system.open_input_file(place.path) as file:
            return file.read()

    def _read_part(self, path: str, start: int, size: int) -> bytes:
        place = self._place(path)
        with place.system.open_input_file(place.path) as file:
            data = file.read_at(size, start)
        if len(data) < size:
            raise UnreadableImageError(f"{path} ends before it; it has been cut short or replaced")
        return data

    def _read_cell(self, path: str, group: int, place: int) -> bytes:
        with self._lock:  # the next pictures are of the same group: it is read once
            column = self._column(path, group)
        data = column[place].as_py()
        if data is None:
            raise UnreadableImageError("its bytes are missing")
        return data

    def _read_column(self, path: str, group: int) -> Any:
        from pyarrow import parquet

        place = self._place(path)
        with place.system.open_input_file(place.path) as file:
            return parquet.ParquetFile(file).read_row_group(group, columns=["bytes"])["bytes"]


def _of_bytes(data: bytes) -> Picture:
    return Picture(data, hashlib.sha256(data).hexdigest())


def _of_record(data: bytes) -> Picture:
    content, (crc,) = data[:-CRC_BYTES], struct.unpack("<I", data[-CRC_BYTES:])
    if masked_crc32c(content) != crc:
        raise UnreadableImageError("its record does not match its checksum")
    record = decode_record(content)
    pixels = bytes(record.image) if record.storage == "encoded" else image_array(record)
    return Picture(pixels, record.sha256)
