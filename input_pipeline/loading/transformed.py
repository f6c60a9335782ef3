"""Every image in every transformation: decoded once, then changed and prepared in the readers."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import grain
import numpy as np

from input_pipeline.images.degradations import Transformation
from input_pipeline.images.preprocessing import Preprocessing
from input_pipeline.images.problems import ImageProblem
from input_pipeline.loading.parallel import MOST_THREADS
from input_pipeline.loading.pipeline import iterate_once
from input_pipeline.loading.readers import facts_of, record_pixels
from input_pipeline.storage.records import ImageRecord, decode_record
from input_pipeline.storage.tfrecord import TFRecordSource


def transformed_images(
    source: TFRecordSource,
    transformations: Sequence[Transformation],
    preprocessing: Preprocessing,
    *,
    seed: int,
    workers: int = 0,
) -> Iterator[dict[str, Any]]:
    """Yields every record in every transformation exactly once.

    The order is that of the records, of which as many advance side by side as there are workers.
    What is yielded for a record does not depend on their number.

    Args:
      source: the records.
      transformations: each is applied to the image as it is stored, `preprocessing` after that.
      seed: of what is random, 0 to 2**32 - 1.
      workers: worker processes; 0 reads in threads of this process.

    Yields:
      {'image': uint8 [h, w, 3], 'label': int, 'generator': str, 'filename': str, 'index': int,
      'transformation': int, its place in the sequence, 'problem': str, 'kind': str}. The problem
      says why an image cannot be scored so, and the kind is its `ProblemKind`; then the image is
      empty. Otherwise both are ''.
    """
    workers = min(workers, len(source))
    side_by_side = max(workers, 1)
    reader = _Reader(source, tuple(transformations), preprocessing, seed, side_by_side)
    rows = -(-len(source) // side_by_side)  # in the last row some positions may be empty
    elements = grain.MapDataset.range(rows * side_by_side * len(transformations)).map(reader)
    return iterate_once(elements, workers)


@dataclass
class _Reader:
    """Position in the stream -> one image in one transformation.

    Worker w of n makes the positions w, w + n, ...: these are laid out so that a record's are all
    its own, which is how each record is decoded once.
    """

    source: TFRecordSource
    transformations: tuple[Transformation, ...]
    preprocessing: Preprocessing
    seed: int
    workers: int

    def __post_init__(self) -> None:
        # Threads work on neighbouring positions, so only so many records are under way at once.
        keep = MOST_THREADS // len(self.transformations) + 2
        self._decoded = _LatestDecoded(self.source, keep)

    def __call__(self, position: int) -> dict[str, Any] | None:
        """Returns an element of `transformed_images`, None for a position without a record."""
        row, place = divmod(position, self.workers * len(self.transformations))
        number, worker = divmod(place, self.workers)
        index = row * self.workers + worker
        if index >= len(self.source):
            return None
        record, pixels = self._decoded(index)
        element = {"transformation": number, "problem": "", "kind": "", **facts_of(record, index)}
        try:
            changed = self.transformations[number](pixels, self.seed, index)
            return {"image": self.preprocessing(changed), **element}
        except ImageProblem as error:
            nothing = {"image": np.empty((0, 0, 3), np.uint8)}
            return nothing | element | {"problem": str(error), "kind": str(error.kind)}


class _LatestDecoded:
    """Decodes records, each once, and keeps the latest few; safe to use from several threads."""

    def __init__(self, source: TFRecordSource, keep: int) -> None:
        self._source = source
        self._keep = keep
        self._lock = threading.Lock()
        self._latest: dict[int, tuple[ImageRecord, np.ndarray]] = {}

    def __call__(self, index: int) -> tuple[ImageRecord, np.ndarray]:
        """Returns a record and its pixels, which nobody may write to."""
        with self._lock:
            known = self._latest.get(index)
            if known is None:
                record = decode_record(self._source[index])
                pixels = record_pixels(record)
                pixels.flags.writeable = False
                known = self._latest[index] = record, pixels
                while len(self._latest) > self._keep:
                    del self._latest[min(self._latest)]
            return known

    def __reduce__(self) -> tuple[Any, ...]:
        return _LatestDecoded, (self._source, self._keep)
