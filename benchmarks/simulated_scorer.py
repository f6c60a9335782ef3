"""Stands in for a detector where everything around it is measured."""

from __future__ import annotations

import pathlib
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from input_pipeline.images.preprocessing import NATIVE
from npr_jax.inference.verdict import ImageScore, score_of


class SimulatedScorer:
    """Scores pictures by their names; can be pickled as it is."""

    title, weights_sha256 = "simulated", "0" * 64
    preprocessing, preprocessing_in_words, calibration_in_words = NATIVE, "none", "simulated"

    def __init__(self, seconds: float = 0.0, opens: bool = False):
        """``seconds``: for each picture; ``opens``: it, though what is in it does not matter."""
        self._seconds, self._opens = seconds, opens

    def with_engine(self, _: str) -> SimulatedScorer:
        """Itself: nothing compiles."""
        return self

    def iter_opened(
        self, files: Iterable[tuple[str, Callable[[], Any]]], *, confidence: float | None = None
    ) -> Iterator[ImageScore]:
        """A result for each file."""
        for name in self.scored(self._names(files)):
            if self._seconds:
                time.sleep(self._seconds)
            yield score_of(name, zlib.crc32(name.encode()) / 2**31 - 1.0, confidence)

    def _names(self, files: Iterable[tuple[str, Callable[[], Any]]]) -> Iterator[str]:
        for name, opened in files:
            if self._opens:
                opened()
            yield name

    def scored(self, names: Iterable[str]) -> Iterable[str]:
        """Passes the names on; see who derives from this."""
        return names


def write_table(path: pathlib.Path, pictures: int) -> None:
    """A Parquet manifest of pictures that do not exist, whose ids are their numbers."""
    import pyarrow as pa
    from pyarrow import parquet

    with parquet.ParquetWriter(path, pa.schema([("id", pa.string()), ("path", pa.string())])) as to:
        for start in range(0, pictures, 100_000):
            ids = [str(n) for n in range(start, min(start + 100_000, pictures))]
            paths = [f"s3://bucket/pictures/{int(n) % 1000:03d}/{int(n):012d}.jpg" for n in ids]
            to.write_table(pa.table({"id": ids, "path": paths}))
