"""Processes that train together share the images of an epoch, however many go on with it."""

import itertools
import json
from collections import Counter

import numpy as np
import pytest

from input_pipeline.loading import readers
from input_pipeline.loading.pipeline import train_iterator
from input_pipeline.storage.records import ImageRecord, encode_record
from input_pipeline.storage.tfrecord import TFRecordSource, new_shard

IMAGES, BATCH = 22, 4  # the last batch of an epoch has two images
STEPS = 6  # of an epoch


@pytest.fixture
def source(tmp_path):
    with new_shard(tmp_path / "shard") as writer:
        for index in range(IMAGES):
            pixels = np.full((8, 8, 3), index, np.uint8)
            record = ImageRecord(pixels.tobytes(), "decoded", 8, 8, index % 2, "g", f"{index}.png")
            writer.write(encode_record(record))
    return TFRecordSource([tmp_path / "shard"])


def iterators(source, processes):
    return [
        train_iterator(
            source,
            batch_size=BATCH,
            seed=3,
            resize=0,
            prefetch=0,
            host_crop=4,
            process_index=index,
            process_count=processes,
        )
        for index in range(processes)
    ]


def seen(parts, steps):
    """How often each image is in the next steps of all processes."""
    counts = Counter()
    for part in parts:
        for batch in itertools.islice(part, steps):
            rows = batch["image"][batch["mask"] > 0]
            counts.update(rows[:, 0, 0, 0].tolist())
    return counts


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_any_number_of_processes_goes_on_with_the_epoch_of_two(source, processes):
    two = iterators(source, 2)
    before = seen(two, 3)
    states = [json.loads(json.dumps(part.get_state())) for part in two]
    assert states[0] == states[1]
    others = iterators(source, processes)
    for other in others:
        other.set_state(states[0])
    once = dict.fromkeys(range(IMAGES), 1)
    assert before + seen(others, STEPS - 3) == once
    assert seen(others, STEPS) == once  # and so the next epoch


@pytest.mark.parametrize("processes", [1, 2, 4])
def test_each_process_decodes_its_share(source, processes, monkeypatch):
    decoded = []
    decode = readers.record_pixels
    monkeypatch.setattr(
        readers,
        "record_pixels",
        lambda record, *rest: decoded.append(record) or decode(record, *rest),
    )
    for part in iterators(source, processes):
        decoded.clear()
        seen([part], 10 * STEPS)
        # One whose rows of the last batch are blank decodes an image to know their shape.
        assert 10 * (IMAGES // processes) <= len(decoded) <= 10 * STEPS * BATCH // processes
