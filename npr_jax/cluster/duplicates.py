"""Finds ids that occur twice among more than fit into memory.

Each id leaves a fingerprint of 64 bits in one of some files on disk, by its last bits, so that
equal ones meet in one file. Ids of equal fingerprints may differ: whoever asks looks again.
"""

import pathlib
import tempfile
from typing import Any, Self

import numpy as np

FILES = 64


def fingerprint(ids: Any) -> np.ndarray:
    """uint64 ``[n]`` of a pyarrow array of strings."""
    from pandas.util import hash_array

    return hash_array(np.asarray(ids, dtype=object), categorize=False)


class Fingerprints:
    """Those of all ids seen; a context, whose files are gone after it."""

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="npr-jax-ids-")
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    def add(self, ids: Any) -> None:
        """Notes the ids of a pyarrow array."""
        found = fingerprint(ids)
        found = found[np.argsort(found % FILES, kind="stable")]
        bounds = np.asarray(np.searchsorted(found % FILES, np.arange(FILES + 1)))
        for number in range(FILES):
            part = found[bounds[number] : bounds[number + 1]]
            if len(part):
                with open(self._file(number), "ab") as file:
                    part.tofile(file)

    def twice(self) -> np.ndarray:
        """The fingerprints that occur more than once, uint64."""
        repeated = []
        for number in range(FILES):
            if self._file(number).exists():
                found = np.sort(np.fromfile(self._file(number), np.uint64))
                repeated.append(found[1:][found[1:] == found[:-1]])
        return np.unique(np.concatenate(repeated)) if repeated else np.empty(0, np.uint64)

    def _file(self, number: int) -> pathlib.Path:
        return pathlib.Path(self._folder.name, str(number))
