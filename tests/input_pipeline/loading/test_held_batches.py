"""Batches that somebody still holds are never overwritten."""

import jax.numpy as jnp
import numpy as np
import pytest

from input_pipeline.loading.pipeline import train_iterator
from input_pipeline.storage.records import ImageRecord, encode_record
from input_pipeline.storage.tfrecord import TFRecordSource, new_shard


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_stay_as_they_were_while_held(tmp_path, workers):
    with new_shard(tmp_path / "shard") as writer:
        for index in range(40):
            image = np.full(64 * 64 * 3, index, np.uint8).tobytes()
            writer.write(encode_record(ImageRecord(image, "decoded", 64, 64, 0, "g", str(index))))
    source = TFRecordSource([tmp_path / "shard"])
    iterator = train_iterator(source, batch_size=8, seed=0, resize=64, workers=workers)
    whole, views, on_device, expected = [], [], [], []
    for step in range(60):
        batch = next(iterator)["image"]
        numbers = batch[:, 0, 0, 0].tolist()
        if step % 7 == 0:
            whole.append(batch)
            views.append(batch[3:, 5])
            on_device.append(jnp.asarray(batch))
            expected.append(numbers)
        del batch
    iterator.close()
    for batch, view, array, numbers in zip(whole, views, on_device, expected, strict=True):
        np.testing.assert_array_equal(batch, np.array(numbers)[:, None, None, None] + 0 * batch)
        np.testing.assert_array_equal(view[:, 0, 0], numbers[3:])
        np.testing.assert_array_equal(array[:, 63, 63, 2], numbers)
