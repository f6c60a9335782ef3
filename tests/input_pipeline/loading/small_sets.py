"""Small data sets of noise whose batches tell which records are in them."""

import io
import itertools

import numpy as np
from PIL import Image

from input_pipeline.storage.records import ImageRecord, encode_record
from input_pipeline.storage.tfrecord import TFRecordSource, new_shard

EDGE = 12


def pixels(index, height=EDGE, width=EDGE):
    """An image from which `index` can be read back: its first pixel holds it."""
    image = np.random.default_rng(index).integers(0, 256, (height, width, 3), np.uint8)
    image[0, 0] = (index // 256, index % 256, 77)
    return image


def png(image):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def write(folder, count, storage="decoded", shapes=((EDGE, EDGE),)):
    paths = [folder / f"shard{number}" for number in range(2)]
    numbers = iter(range(count))
    for path, share in zip(paths, (count // 3, count - count // 3), strict=True):
        with new_shard(path) as writer:
            for index in itertools.islice(numbers, share):
                image = pixels(index, *shapes[index % len(shapes)])
                data = png(image) if storage == "encoded" else image.tobytes()
                height, width = image.shape[:2]
                writer.write(
                    encode_record(
                        ImageRecord(data, storage, height, width, index % 2, "g", f"{index}.png")
                    )
                )
    return TFRecordSource(paths)


def take(iterator, count):
    batches = list(itertools.islice(iterator, count))
    iterator.close()
    return batches


def assert_same(first, second):
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        assert a.keys() == b.keys()
        for key in a:
            np.testing.assert_array_equal(a[key], b[key])
