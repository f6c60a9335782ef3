"""Images per second of decoders alone and of our training iterator."""

import io
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from input_pipeline.images import transforms
from input_pipeline.loading.pipeline import train_iterator
from input_pipeline.storage.prepared_dataset import PreparedDataset

BATCH = 32
PREFETCH = 4


Decoder = Callable[[bytes, np.ndarray], Any]


def decoders(kind: str) -> dict[str, Decoder]:
    """Returns what decodes PNG or JPEG files: Pillow, the faster library, and ours around both.

    They take the bytes of a file and memory for the pixels, which all but Pillow use.
    """
    if kind == "PNG":
        from imagecodecs import spng_decode

        library = {"libspng": lambda data, out: spng_decode(data, out=out)}
    else:
        from simplejpeg import decode_jpeg

        library = {"simplejpeg": lambda data, out: decode_jpeg(data, "RGB", buffer=out)}
    return {
        "Pillow": lambda data, _: np.asarray(Image.open(io.BytesIO(data))),
        **library,
        "ours": lambda data, out: transforms.decode(data, out=out),
    }


def decode_rate(
    decode: Decoder, files: list[bytes], shape: tuple[int, ...], threads: int, seconds: float
) -> float:
    """Returns images per second of threads that decode files from memory, each over and over."""
    counts = [0] * threads
    start = time.perf_counter()

    def work(number: int) -> None:
        place, out = number * len(files) // threads, np.empty(shape, np.uint8)
        while time.perf_counter() - start < seconds:
            decode(files[place % len(files)], out)
            place += 1
            counts[number] += 1

    workers = [threading.Thread(target=work, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts) / (time.perf_counter() - start)


def batch_rate(batches: Iterator[Any], seconds: float, warm_up: int = 2) -> float:
    """Returns images per second of an endless iterator over batches, after a few to warm up."""
    for _ in range(warm_up):
        next(batches)
    images, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        next(batches)
        images += BATCH
    return images / elapsed


def to_device(batches: Iterator[Any]) -> Iterator[Any]:
    """Copies every batch to the device, and waits for it, as the slowest consumer does."""
    import jax

    for batch in batches:
        yield jax.block_until_ready(jax.device_put(batch))


def our_rate(
    path: Path,
    workers: int,
    seconds: float,
    *,
    device: bool = False,
    warm_up_images: int = 0,
    **settings: Any,
) -> float:
    """Returns images per second of our training iterator on a data set.

    The settings are those of `train_iterator`. So many images at least are read before the clock
    starts.
    """
    batches = train_iterator(
        PreparedDataset.load(path).source("train"),
        batch_size=BATCH,
        seed=0,
        workers=workers,
        prefetch=PREFETCH,
        **settings,
    )
    # Batches that were ready before the clock started must not count.
    warm_up = max(PREFETCH + 4 * workers, -(-warm_up_images // BATCH))
    try:
        return batch_rate(to_device(batches) if device else batches, seconds, warm_up)
    finally:
        batches.close()
