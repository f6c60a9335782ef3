"""Training on features instead of images: each image once, then endless batches of its features."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import grain
import numpy as np

from input_pipeline.images.transforms import centre_crop
from input_pipeline.loading.epochs import EpochBatches
from input_pipeline.loading.pipeline import TrainIterator, iterate_once
from input_pipeline.loading.readers import BatchReader
from input_pipeline.loading.sampling import Groups


def training_images_once(
    reader: BatchReader, *, crop: int, workers: int, process_index: int, process_count: int
) -> Iterator[dict[str, Any]]:
    """Yields the records of this process's stride once, in order, as a training batch has them.

    The random choices for a record are those of the position in the stream that equals its number.

    Args:
      reader: of the records.
      crop: edge in pixels of a centre crop, after all else.

    The others are as of `pipeline.train_iterator`.

    Yields:
      {'image': uint8 [crop, crop, 3], 'label': int}
    """
    mine = range(process_index, len(reader.source), process_count)
    elements = grain.MapDataset.source(mine).map(partial(_alone, reader))
    for element in iterate_once(elements, min(workers, len(mine))):
        image = centre_crop(np.array(element["image"][0]), crop, reader.small_images)
        yield {"image": np.ascontiguousarray(image), "label": int(element["label"][0])}


def _alone(reader: BatchReader, index: int) -> dict[str, np.ndarray]:
    """A record number becomes a batch of that one record."""
    place = np.array([index])
    return reader((place, place))


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
    identity = {"features": list(features.shape), "batch_size": batch_size, "seed": seed}
    identity |= groups.settings
    batches = numbers.map(partial(_rows, features, labels)).repeat()
    return TrainIterator(batches, identity, workers=0, prefetch=1, most_threads=1)


def _rows(
    features: np.ndarray, labels: np.ndarray, item: tuple[np.ndarray, np.ndarray]
) -> dict[str, np.ndarray]:
    """Positions and record numbers become the batch of these records' features."""
    _, records = item
    mask = records >= 0
    rows = np.where(mask[:, None], features[records], np.float32(0))
    kept = np.where(mask, labels[records], np.int32(0))
    return {"features": rows, "label": kept, "mask": mask.astype(np.float32)}
