"""How many threads read, and on how many cores."""

import io
import threading

import grain
import numpy as np
import pytest
from PIL import Image

from input_pipeline.loading import parallel
from input_pipeline.loading.readers import BatchReader
from input_pipeline.storage.records import ImageRecord, encode_record
from input_pipeline.storage.tfrecord import TFRecordSource, new_shard


def test_every_core_has_a_thread_however_few_elements_are_held_ready(monkeypatch):
    monkeypatch.setattr(parallel, "available_cores", lambda: 3)
    together = threading.Barrier(3, timeout=300)  # breaks unless three elements are made at once

    def make(number):
        together.wait()
        return number

    elements = grain.MapDataset.source(range(6)).map(make)
    made = list(parallel.read_ahead(elements, 0, 1, shared_memory=False))
    assert made == list(range(6))


def test_threads_can_be_limited(monkeypatch):
    monkeypatch.setattr(parallel, "available_cores", lambda: 4)
    elements = grain.MapDataset.source(range(20)).map(lambda _: threading.get_ident())
    made = list(parallel.read_ahead(elements, 0, 8, shared_memory=False, most_threads=1))
    assert len(set(made)) == 1
    assert made[0] != threading.get_ident()


@pytest.mark.parametrize("storage", ["encoded", "decoded"])
def test_records_are_only_copied_where_nothing_changes_their_pixels(storage, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    data = buffer.getvalue() if storage == "encoded" else pixels.tobytes()
    path = tmp_path / "a.tfrecord"
    with new_shard(path) as shard:
        shard.write(encode_record(ImageRecord(data, storage, 24, 24, 1, "any", "a.png")))
    source = TFRecordSource([path])

    def only_copies(resize=0, host_crop=0, reencode=()):
        return BatchReader(source, 0, resize, host_crop, reencode).only_copies

    assert only_copies() == only_copies(resize=24) == (storage == "decoded")
    assert not only_copies(resize=20)
    assert not only_copies(host_crop=16)
    assert not only_copies(reencode=(60, 90))
