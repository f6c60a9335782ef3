"""Batches that somebody still holds are never overwritten."""

import pickle

import jax.numpy as jnp
import numpy as np

from input_pipeline.loading.buffers import BatchBuffers
from input_pipeline.loading.pipeline import train_iterator
from input_pipeline.storage.records import ImageRecord, encode_record
from input_pipeline.storage.tfrecord import TFRecordSource, new_shard


def address(array):
    return array.__array_interface__["data"][0]


def test_memory_is_used_again_only_when_nobody_holds_it():
    buffers = BatchBuffers(limit=3)
    first = buffers.take((4, 8, 8, 3))
    assert address(buffers.take((4, 8, 8, 3))) != address(first)
    place = address(first)
    view = first[2, ..., 0]
    del first
    assert address(buffers.take((4, 8, 8, 3))) != place
    del view
    held = [buffers.take((4, 8, 8, 3)) for _ in range(5)]  # two more than are kept
    assert place in {address(array) for array in held}
    assert len({address(array) for array in held}) == 5
    assert buffers.take((2, 8, 8, 3)).shape == (2, 8, 8, 3)
    assert pickle.loads(pickle.dumps(buffers)).take((1, 2, 2, 3)).shape == (1, 2, 2, 3)


def test_batches_stay_as_they_were_while_held(tmp_path):
    with new_shard(tmp_path / "shard") as writer:
        for index in range(40):
            image = np.full(64 * 64 * 3, index, np.uint8).tobytes()
            writer.write(encode_record(ImageRecord(image, "decoded", 64, 64, 0, "g", str(index))))
    source = TFRecordSource([tmp_path / "shard"])
    iterator = train_iterator(source, batch_size=8, seed=0, resize=64, prefetch=4)
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


def test_a_device_array_alone_keeps_its_memory(tmp_path):
    """JAX on the CPU may share the memory of a batch; the array then counts as a holder."""
    buffers = BatchBuffers()
    arrays = []
    for value in range(20):
        batch = buffers.take((4, 64, 64, 3))
        batch[...] = value
        arrays.append(jnp.asarray(batch))
        del batch
    for value, array in enumerate(arrays):
        assert (np.asarray(array) == value).all()
