"""Training on features instead of images: each image once, then endless batches of its features."""

from collections.abc import Iterator, Sequence
from typing import Any

import grain
import numpy as np

from input_pipeline.images.augmentations import Augmentation
from input_pipeline.images.preprocessing import FileReader
from input_pipeline.images.transforms import centre_crop
from input_pipeline.loading.epochs import EpochBatches
from input_pipeline.loading.parallel import read_ahead
from input_pipeline.loading.pipeline import TrainIterator
from input_pipeline.loading.readers import BatchReader
from input_pipeline.loading.sampling import Groups
from input_pipeline.storage.tfrecord import RecordSource


def training_images_once(
    source: RecordSource,
    *,
    seed: int,
    resize: int,
    resize_mode: str,
    host_crop: int,
    crop: int,
    small_images: str,
    reencode: Sequence[int],
    augment: Sequence[Augmentation],
    read_file: FileReader | None,
    workers: int,
    process_index: int,
    process_count: int,
) -> Iterator[dict[str, Any]]:
    """Yields the records of this process's stride once, in order, as `train_iterator` makes them.

    The random choices for a record are those of the position in the stream that equals its number.

    Args:
      source: the records.
      crop: edge in pixels of a centre crop, after all else.

    The others are as of `pipeline.train_iterator`.

    Yields:
      {'image': uint8 [crop, crop, 3], 'label': int}
    """
    reader = BatchReader(
        source,
        seed,
        resize,
        host_crop,
        tuple(reencode),
        resize_mode=resize_mode,
        small_images=small_images,
        augment=tuple(augment),
        read_file=read_file,
    )
    mine = range(process_index, len(source), process_count)
    if not mine:
        return
    elements = grain.MapDataset.source(mine).map(_OneByOne(reader))
    images = iter(read_ahead(elements, min(workers, len(mine)), 4, shared_memory=False))
    try:
        for element in images:
            image = centre_crop(np.array(element["image"][0]), crop, small_images)
            yield {"image": np.ascontiguousarray(image), "label": int(element["label"][0])}
    finally:
        images.close()


class _OneByOne:
    """A record number becomes a batch of that one record."""

    def __init__(self, reader: BatchReader) -> None:
        self._reader = reader

    def __call__(self, index: int) -> dict[str, np.ndarray]:
        place = np.array([index])
        return self._reader((place, place))


def feature_iterator(
    features: np.ndarray,
    labels: np.ndarray,
    *,
    batch_size: int,
    seed: int,
    process_index: int,
    process_count: int,
    groups: Groups,
) -> TrainIterator:
    """Returns an endless iterator like `pipeline.train_iterator`, over features.

    Args:
      features: float32 [n, d].
      labels: int32 [n].

    The others are as of `pipeline.train_iterator`.

    Returns:
      A checkpointable iterator of {'features': float32 [b, d], 'label': int32 [b], 'mask': float32
      [b]} with b = batch_size / process_count.
    """
    numbers = EpochBatches(groups, seed, batch_size, process_index, process_count)
    identity: dict[str, Any] = {
        "features": list(features.shape),
        "batch_size": batch_size,
        "seed": seed,
    }
    batches = numbers.map(_Rows(features, labels)).repeat()
    return TrainIterator(
        batches, {**identity, **groups.settings}, workers=0, prefetch=1, most_threads=1
    )


class _Rows:
    """Positions and record numbers become the batch of these records' features."""

    def __init__(self, features: np.ndarray, labels: np.ndarray) -> None:
        self._features = features
        self._labels = labels

    def __call__(self, item: tuple[np.ndarray, np.ndarray]) -> dict[str, np.ndarray]:
        _, records = item
        mask = records >= 0
        features = np.where(mask[:, None], self._features[records], np.float32(0))
        labels = np.where(mask, self._labels[records], np.int32(0))
        return {"features": features, "label": labels, "mask": mask.astype(np.float32)}
