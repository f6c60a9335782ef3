"""The grain graphs: shuffled, sharded, checkpointable training batches, and ordered evaluation.

    batch number -> positions and record numbers -> read, checksum, decode, crop -> uint8 batch

A batch is a function of its number alone: the shuffle is an index permutation per epoch, and every
random choice for an example is drawn from a generator keyed by the seed and the example's position
in the stream. Therefore the batches are the same for any number of threads, worker processes and
hosts, and the state of the iterator is one number.
"""

import hashlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

import grain
import numpy as np

from input_pipeline.holdout import holdout as hold_out
from input_pipeline.parallel import MOST_THREADS, check_shared_memory, read_ahead
from input_pipeline.readers import BatchReader, EvaluationReader, derive_seed
from input_pipeline.tfrecord import RecordSource
from input_pipeline.transforms import DELIVERIES

_SHUFFLE_STREAM = 1  # see readers.derive_seed

Batch = dict[str, np.ndarray]


def steps_per_epoch(num_examples: int, batch_size: int) -> int:
    """Returns the batches of one epoch, the last partial one included."""
    return math.ceil(num_examples / batch_size)


def train_iterator(
    source: RecordSource,
    *,
    batch_size: int,
    seed: int,
    resize: int = 256,
    host_crop: int = 0,
    reencode: Sequence[int] = (),
    workers: int = 0,
    prefetch: int = 4,
    process_index: int = 0,
    process_count: int = 1,
    holdout: tuple[float, int, str] | None = None,
) -> "TrainIterator":
    """Returns an endless iterator over training batches.

    Every epoch is a new permutation of all records in `steps_per_epoch` batches, the last filled up
    with blank rows of mask 0. Each process gets a block of every batch's rows, in process order: a
    batch put together from all of them is the one that a single process would get.

    Args:
      source: the records.
      batch_size: rows of a batch over all processes.
      seed: of shuffling, crops and qualities, 0 to 2**32 - 1.
      resize: edge in pixels to which images are squashed, or 0 for their own size.
      host_crop: edge in pixels of a random crop after that, or 0 for none.
      reencode: range of JPEG quality from which one is drawn for each image, which is re-encoded
        before it is resized or cropped; empty: never.
      workers: worker processes; 0 reads in threads of this process.
      prefetch: batches held ready per reading process; 0 reads a batch when it is asked for.
      process_index: which of the `process_count` processes this is.
      process_count: processes that train together.
      holdout: (fraction, seed, side), see `holdout.holdout`.

    Returns:
      A checkpointable iterator of {'image': uint8 [b, height, width, 3], 'label': int32 [b],
      'mask': float32 [b]} with b = batch_size / process_count.

    Raises:
      ValueError: a setting is not allowed, or the source is empty.
    """
    _check_counts(batch_size, workers, prefetch, process_index, process_count)
    _check_image_settings(resize, host_crop, reencode)
    if holdout is not None:
        source = hold_out(source, *holdout)
    if not (0 <= seed < 2**32 and len(source)):
        raise ValueError(
            f"seed is {seed} (allowed is 0 to {2**32 - 1}), images to train on are {len(source)} "
            "(there must be some)."
        )
    numbers = _EpochBatches(len(source), seed, batch_size, process_index, process_count)
    reader = BatchReader(source, seed, resize, host_crop, tuple(reencode))
    identity: dict[str, Any] = {"images": len(source), "data": _fingerprint(source)}
    identity |= {"batch_size": batch_size, "seed": seed}
    identity |= {"resize": resize, "host_crop": host_crop, "reencode": list(reencode)}
    most_threads = 1 if reader.only_copies else MOST_THREADS
    return TrainIterator(
        numbers.map(reader).repeat(), identity, workers, prefetch, most_threads=most_threads
    )


class TrainIterator(grain.DatasetIterator):
    """Endless training batches; its state is the number of the next one."""

    def __init__(
        self,
        batches: grain.MapDataset,
        identity: dict[str, Any],
        workers: int,
        prefetch: int,
        *,
        most_threads: int = MOST_THREADS,
    ) -> None:
        super().__init__()
        self._batches = batches
        self._identity = identity
        self._workers = workers
        self._prefetch = prefetch
        self._most_threads = most_threads
        self._next_batch = 0
        self._inner: grain.DatasetIterator | None = None

    def __next__(self) -> Batch:
        batch = next(self._open())
        self._next_batch += 1
        # Shared memory is given back at once, however long the batch is kept.
        return {key: np.array(value) for key, value in batch.items()} if self._workers else batch

    def start_prefetch(self) -> None:
        """Begins to read ahead before the first batch is asked for."""
        self._open().start_prefetch()

    def get_state(self) -> dict[str, Any]:
        """Returns what `set_state` needs, as JSON values."""
        return {"next_batch": self._next_batch, "identity": dict(self._identity)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continues where the iterator was that gave this state, with any number of workers.

        Raises:
          ValueError: that iterator had other data or settings, so its batches were others.
        """
        saved = state["identity"]
        changed = [
            f"{key} was {saved.get(key)!r}, is {value!r}"
            for key, value in self._identity.items()
            if saved.get(key) != value
        ]
        if changed:
            raise ValueError(
                f"the input pipeline cannot continue from this checkpoint: {'; '.join(changed)}. "
                "Set them as they were, or start in a new working directory."
            )
        self.close()
        self._next_batch = int(state["next_batch"])

    def close(self) -> None:
        """Ends threads and worker processes; the next batch would start them again."""
        if self._inner is not None:
            self._inner.close()
            self._inner = None

    def _open(self) -> grain.DatasetIterator:
        if self._inner is None:
            remaining = self._batches[self._next_batch :]
            if self._workers:
                check_shared_memory(self._workers, remaining[0]["image"].nbytes)
            self._inner = iter(
                read_ahead(
                    remaining,
                    self._workers,
                    self._prefetch,
                    shared_memory=True,
                    most_threads=self._most_threads,
                )
            )
        return self._inner


def evaluation_images(
    source: RecordSource,
    *,
    resize: int = 0,
    crop: int = 0,
    reencode: Sequence[int] = (),
    delivery: str = "clean",
    workers: int = 0,
    process_index: int = 0,
    process_count: int = 1,
    holdout: tuple[float, int, str] | None = None,
) -> Iterator[dict[str, Any]]:
    """Yields every record of this process's stride exactly once, in order.

    Args:
      source: the records.
      resize: edge in pixels to which images are squashed, or 0 for their own size.
      crop: edge in pixels of a centre crop after that, or 0 for none.
      reencode: (lowest, highest) JPEG quality; images are re-encoded at the middle of that range.
      delivery: 'clean', 'web' or 'hard', applied first, see `transforms.deliver`.
      workers: worker processes; 0 reads in threads of this process.
      process_index: this process takes the records `process_index`, `+ process_count`, ...
      process_count: processes that evaluate together.
      holdout: (fraction, seed, side) to use one side of a division of the source.

    Yields:
      {'image': uint8 [h, w, 3], 'label': int, 'generator': str, 'filename': str, 'index': int}

    Raises:
      ValueError: a setting is not allowed.
    """
    _check_counts(process_count, workers, 1, process_index, process_count)
    _check_image_settings(resize, crop, reencode)
    if delivery not in DELIVERIES:
        raise ValueError(f"delivery is {delivery!r}; allowed are {DELIVERIES}.")
    if holdout is not None:
        source = hold_out(source, *holdout)
    mine = range(process_index, len(source), process_count)
    reader = EvaluationReader(source, resize, crop, tuple(reencode), delivery)
    return _iterate_once(mine, reader, min(workers, len(mine)))


def _iterate_once(
    indices: range, reader: "EvaluationReader", workers: int
) -> Iterator[dict[str, Any]]:
    if not indices:
        return
    # Images may be of any size, and are rarely left half read.
    elements = grain.MapDataset.source(indices).map(reader)
    images = iter(read_ahead(elements, workers, 4, shared_memory=False))
    try:
        yield from images
    finally:
        images.close()


class _EpochBatches(grain.MapDataset):
    """Batch number -> (positions, record numbers), int64 [b] each; record -1 is a blank row.

    Batches of one epoch stay within it, and every process gets as many as the others, which grain's
    own `shuffle` and `batch` in a row do not give for a last partial batch.
    """

    def __init__(
        self, examples: int, seed: int, batch_size: int, process_index: int, process_count: int
    ) -> None:
        super().__init__()
        self._examples = examples
        self._key = derive_seed(seed, _SHUFFLE_STREAM)
        self._batch_size = batch_size
        self._process = process_index
        self._processes = process_count
        self._last_order: tuple[int, np.ndarray] | None = None

    def __len__(self) -> int:
        return steps_per_epoch(self._examples, self._batch_size)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self.slice(index)
        epoch, batch = divmod(index, len(self))
        begin = batch * self._batch_size
        own = self._batch_size // self._processes
        places = np.arange(own) + begin + self._process * own
        records = np.full(len(places), -1)
        real = places < self._examples
        records[real] = self._order(epoch)[places[real]]
        return places + epoch * len(self) * self._batch_size, records

    def _order(self, epoch: int) -> np.ndarray:
        """Returns the permutation of an epoch, int64 [examples]; remembers the last one."""
        last = self._last_order
        if last is None or last[0] != epoch:
            # Sorting raw random bits, whose stream NumPy guarantees, gives the same order always.
            bits = np.random.Philox(key=[self._key, epoch]).random_raw(self._examples)
            last = self._last_order = (epoch, np.argsort(bits, kind="stable"))
        return last[1]


def _fingerprint(source: RecordSource) -> str:
    """Hashes the beginnings of a few records: other data rarely has the same."""
    digest = hashlib.sha256()
    for index in np.linspace(0, len(source) - 1, 16).astype(int):
        digest.update(source.peek(int(index), 4096))
    return digest.hexdigest()[:16]


def _check_counts(
    batch_size: int, workers: int, prefetch: int, process_index: int, process_count: int
) -> None:
    if process_count < 1 or not 0 <= process_index < process_count:
        raise ValueError(
            f"process {process_index} of {process_count} is not possible: indices go from 0 to the "
            "count minus 1."
        )
    if batch_size < 1 or batch_size % process_count:
        raise ValueError(
            f"batch size {batch_size} does not divide over {process_count} processes; use a "
            f"positive multiple of {process_count}."
        )
    if workers < 0 or prefetch < 0:
        raise ValueError(
            f"data.workers is {workers} and data.prefetch {prefetch}; both must be 0 or more."
        )


def _check_image_settings(resize: int, crop: int, reencode: Sequence[int]) -> None:
    if resize < 0 or crop < 0:
        raise ValueError(f"resize is {resize} and crop {crop}; both must be 0 (none) or more.")
    if resize and crop > resize:
        raise ValueError(
            f"crop is {crop} pixels, but images are resized to {resize}: a crop must not be larger."
        )
    if reencode and not (len(reencode) == 2 and 1 <= reencode[0] <= reencode[1] <= 100):
        raise ValueError(
            f"data.reencode is {tuple(reencode)}; give (lowest, highest) JPEG quality within 1 to "
            "100, or () for none."
        )
