"""The grain graphs: shuffled, sharded, checkpointable training batches, and ordered evaluation.

    batch number -> positions and record numbers -> read, checksum, decode, crop -> uint8 batch

A batch is a function of its number alone: the shuffle is an index permutation per epoch, and every
random choice for an example is drawn from a generator keyed by the seed and the example's position
in the stream. Therefore the batches are the same for any number of threads, worker processes and
hosts, and the state of the iterator is one number.
"""

import hashlib
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import grain
import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.images.augmentations import Augmentation
from input_pipeline.images.preprocessing import (
    NATIVE,
    FileReader,
    Preprocessing,
    check_geometry,
    check_reencode,
)
from input_pipeline.images.random_delivery import RandomDelivery
from input_pipeline.images.transforms import DELIVERIES
from input_pipeline.loading.couples import CoupleBatches, Couples
from input_pipeline.loading.epochs import EpochBatches
from input_pipeline.loading.parallel import MOST_THREADS, check_shared_memory, read_ahead
from input_pipeline.loading.readers import BatchReader, Blend, evaluation_element
from input_pipeline.loading.sampling import Groups
from input_pipeline.loading.shared_batches import Taker
from input_pipeline.storage.tfrecord import TFRecordSource

Batch = dict[str, np.ndarray]


def train_iterator(
    source: TFRecordSource,
    *,
    batch_size: int,
    seed: int,
    resize: int = 256,
    resize_mode: str = "squash",
    host_crop: int = 0,
    small_images: str = "reflect",
    reencode: Sequence[int] = (),
    augment: Sequence[Augmentation] = (),
    read_file: FileReader | None = None,
    random_delivery: RandomDelivery | None = None,
    couples: Couples | None = None,
    blend: Blend | None = None,
    cache_bytes: int = 0,
    workers: int = 0,
    prefetch: int = 4,
    process_index: int = 0,
    process_count: int = 1,
    groups: Groups | None = None,
) -> "TrainIterator":
    """Returns an endless iterator over training batches.

    Every epoch is a new permutation of all records, or of what it draws from `groups`; its last
    batch is filled up with blank rows of mask 0. Each process gets a block of every batch's rows:
    all blocks in process order are the batch that a single process would get.

    Args:
      source: the records.
      batch_size: rows of a batch over all processes.
      seed: of shuffling, crops, qualities and augmentations, 0 to 2**32 - 1.
      resize: edge in pixels to which images are resized, or 0 for their own size.
      resize_mode: 'squash' to a square, or 'short_side', which keeps the aspect.
      host_crop: edge in pixels of a random crop after that, or 0 for none.
      small_images: how images below the crop are enlarged, see `transforms.enlarge`.
      reencode: range of JPEG qualities, with one of which each image is first re-encoded; or empty.
      augment: applied in this order between resize and crop, see `augmentations.augmentations`.
      read_file: what is made of a file's bytes, see `Preprocessing`; None: its pixels are decoded.
      random_delivery: how an image reaches us, crop included; it takes the place of what stands
        between `resize` and `augment`, and needs `host_crop`.
      couples: puts a photograph beside each generated image, see `couples`; None: as they come.
      blend: mixes reconstructions with their photographs, see `readers.Blend`.
      cache_bytes: memory, per reading process, in which decoded images are kept for later epochs.
      workers: worker processes; 0 reads in threads of this process.
      prefetch: batches held ready per reading process; 0 reads a batch when it is asked for.
      process_index: which of the `process_count` processes that train together this is.
      groups: of the records, how many of which an epoch draws; None: each once.

    Returns:
      A checkpointable iterator of {'image': uint8 [b, height, width, 3], 'label': int32 [b],
      'mask': float32 [b]} with b = batch_size / process_count.

    Raises:
      ValueError: a setting is not allowed, or the source is empty.
    """
    _check_process(process_index, process_count)
    _check_batch_size(batch_size, process_count)
    _check_reading(workers, prefetch)
    check_geometry(resize, resize_mode, host_crop, small_images)
    _check_crop(host_crop, resize)
    check_reencode(reencode)
    _check_drawing(seed, len(source))
    groups = groups or Groups.whole(len(source))
    share = batch_size, process_index, process_count
    numbers: grain.MapDataset = (
        EpochBatches(groups, seed, *share)
        if couples is None
        else CoupleBatches(groups, couples, seed, *share)
    )
    identity = {"images": len(source), "data": _fingerprint(source), "batch_size": batch_size}
    identity |= {"seed": seed, "resize": resize, "resize_mode": resize_mode}
    identity |= {"host_crop": host_crop, "small_images": small_images, "reencode": list(reencode)}
    identity |= {"augment": [repr(step) for step in augment], **groups.settings}
    # Named where they are used: checkpoints of before do not know them.
    if random_delivery is not None:
        identity |= {"random_delivery": repr(random_delivery), "couples": couples is not None}
    if blend is not None:
        identity |= {"blend": [blend.probability, *blend.shares]}
    reader = BatchReader(
        source,
        seed,
        resize=resize,
        host_crop=host_crop,
        reencode=tuple(reencode),
        resize_mode=resize_mode,
        small_images=small_images,
        augment=tuple(augment),
        read_file=read_file,
        random_delivery=random_delivery,
        blend=blend,
        cache_bytes=cache_bytes,
    )
    threads = 1 if reader.only_copies else MOST_THREADS
    return TrainIterator(numbers.map(reader).repeat(), identity, workers, prefetch, threads)


class TrainIterator(grain.DatasetIterator):
    """Endless training batches; its state is the number of the next one."""

    def __init__(
        self,
        batches: grain.MapDataset,
        identity: dict[str, Any],
        workers: int,
        prefetch: int,
        most_threads: int,
    ) -> None:
        super().__init__()
        self._batches = batches
        self._identity = identity
        self._workers = workers
        self._prefetch = prefetch
        self._threads = most_threads
        self._next_batch = 0
        self._inner: grain.DatasetIterator | None = None
        self._take = Taker()

    def __next__(self) -> Batch:
        batch = next(self._open())
        self._next_batch += 1
        return self._take(batch) if self._workers else batch

    def start_prefetch(self) -> None:
        """Begins to read ahead before the first batch is asked for."""
        self._open().start_prefetch()

    def get_state(self) -> dict[str, Any]:
        """Returns what `set_state` needs, as JSON values."""
        return {"next_batch": self._next_batch, "identity": dict(self._identity)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continues where the iterator was that gave this state, with any number of workers.

        Raises:
          ValueError: that iterator had other data or settings.
        """
        saved = state["identity"]
        changed = [
            f"{key} was {saved.get(key)!r}, is {self._identity.get(key)!r}"
            for key in saved | self._identity
            if saved.get(key) != self._identity.get(key)
        ]
        if changed:
            raise UserError(
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
        self._take.close()

    def _open(self) -> grain.DatasetIterator:
        if self._inner is None:
            remaining = self._batches[self._next_batch :]
            if self._workers:
                check_shared_memory(self._workers, remaining[0]["image"].nbytes)
            elements = read_ahead(
                remaining,
                self._workers,
                self._prefetch,
                shared_memory=True,
                most_threads=self._threads,
            )
            self._inner = iter(elements)
        return self._inner


def evaluation_images(
    source: TFRecordSource,
    preprocessing: Preprocessing = NATIVE,
    *,
    delivery: str = "clean",
    facts: bool = False,
    workers: int = 0,
    process_index: int = 0,
    process_count: int = 1,
) -> Iterator[dict[str, Any]]:
    """Yields every record of this process's stride exactly once, in order.

    Args:
      source: the records.
      preprocessing: what every image goes through.
      delivery: 'clean', 'web' or 'hard', applied first, see `transforms.deliver`.
      facts: whether elements also have `facts`, see `records.image_facts`.
      workers: worker processes; 0 reads in threads of this process.
      process_index: this process takes the records `process_index`, `+ process_count`, ...

    Yields:
      {'image': uint8 [h, w, 3], 'label': int, 'generator': str, 'filename': str, 'index': int}

    Raises:
      ValueError: a setting is not allowed, or an image cannot be used.
    """
    _check_process(process_index, process_count)
    _check_reading(workers, prefetch=1)
    if delivery not in DELIVERIES:
        raise UserError(f"delivery is {delivery!r}; allowed are {DELIVERIES}.")
    mine = range(process_index, len(source), process_count)
    read = partial(evaluation_element, source, preprocessing, delivery, facts)
    elements = grain.MapDataset.source(mine).map(read)
    return iterate_once(elements, min(workers, len(mine)))


def iterate_once(elements: grain.MapDataset, workers: int) -> Iterator[dict[str, Any]]:
    """Yields the elements once, in order, and ends what reads them; there may be none."""
    if not len(elements):
        return
    # Images may be of any size, and are rarely left half read.
    images = iter(read_ahead(elements, workers, 4, shared_memory=False))
    try:
        yield from images
    finally:
        images.close()


def _fingerprint(source: TFRecordSource) -> str:
    """Hashes the beginnings of a few records: other data rarely has the same."""
    places = np.linspace(0, len(source) - 1, 16).astype(int)
    return hashlib.sha256(b"".join(source.peek(int(i), 4096) for i in places)).hexdigest()[:16]


def _check_process(process_index: int, process_count: int) -> None:
    if process_count < 1 or not 0 <= process_index < process_count:
        raise UserError(
            f"process {process_index} of {process_count} is not possible: indices go from 0 to the "
            "count minus 1."
        )


def _check_batch_size(batch_size: int, process_count: int) -> None:
    if batch_size < 1 or batch_size % process_count:
        raise UserError(
            f"batch size {batch_size} does not divide over {process_count} processes; use a "
            f"positive multiple of {process_count}."
        )


def _check_crop(host_crop: int, resize: int) -> None:
    if resize and host_crop > resize:
        raise UserError(
            f"crop is {host_crop} pixels, but images are resized to {resize}: a crop must not be "
            "larger."
        )


def _check_drawing(seed: int, images: int) -> None:
    if not (0 <= seed < 2**32 and images):
        raise UserError(
            f"seed is {seed} (allowed is 0 to {2**32 - 1}), images to train on are {images} "
            "(there must be some)."
        )


def _check_reading(workers: int, prefetch: int) -> None:
    if workers < 0 or prefetch < 0:
        raise UserError(
            f"data.workers is {workers} and data.prefetch {prefetch}; both must be 0 or more."
        )
