"""`reconstruct`: a prepared data set to one of reconstruction errors, DIRE's training data.

Every map of both classes is stored as the same decoded pixels. The data set published with DIRE
keeps the maps of photographs as JPEG and those of generated images as PNG, so that a detector
trained on it can tell the classes by the file format alone.
"""

import functools
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jax
import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.images.problems import UnreadableImageError
from input_pipeline.images.transforms import resize_to
from input_pipeline.storage.atomic_files import resumable_directory
from input_pipeline.storage.dataset_writer import check_names, finish_dataset
from input_pipeline.storage.path_lists import check_listable
from input_pipeline.storage.prepared_dataset import DATASET_FILE, PreparedDataset
from input_pipeline.storage.records import ImageRecord, decode_record, image_array
from input_pipeline.storage.shard_writer import Skipped, finished_shards, write_split
from input_pipeline.storage.tfrecord import TFRecordSource
from npr_jax.models import sharding
from npr_jax.models.diffusion import ddim
from npr_jax.models.diffusion.unet import NoisePredictor, predict_noise

MADE_BY = "reconstruct"
SCALING = "abs(x - reconstruction) * 127.5, x in [-1, 1], cut to whole numbers"
# Images of one shard, about: what a kill may cost.
SHARD_IMAGES = 128
# Pixels of one batch: 16 images of 64 pixels on two cores; on a GPU 16 of 256.
_BATCH_PIXELS = {"cpu": 16 * 64 * 64}
_ACCELERATOR_BATCH_PIXELS = 16 * 256 * 256
_DECODING_THREADS = 2
_DROPPED = ("fingerprint", "content_sha256", "protocol", "dataset", "splits", "storage", "format")


class ErrorMaps:
    """Computes error maps of images of one size, compiled once, on all local devices."""

    def __init__(self, predictor: NoisePredictor, *, steps: int, image_size: int):
        """``steps``: of the DDIM inversion, and as many back.

        ``image_size``: side in pixels of the images, a multiple of the predictor's ``stride`` from
        8.
        """
        if image_size < 8 or image_size % predictor.stride:
            raise UserError(
                f"--image_size is {image_size}; expected a multiple of {predictor.stride}, the "
                f"reduction of the noise predictor {predictor.source}, from 8"
            )
        way = predictor.trajectory(steps)
        graphdef, params = predictor.split()
        self._mesh = sharding.data_mesh(jax.local_devices())
        self._params = jax.device_put(params, sharding.replicated(self._mesh))
        self.image_size = image_size
        platform = self._mesh.devices.flat[0].platform
        pixels = _BATCH_PIXELS.get(platform, _ACCELERATOR_BATCH_PIXELS)
        rows = max(1, pixels // image_size**2)
        self.rows = -(-rows // self._mesh.size) * self._mesh.size

        @jax.jit
        def compute(params, images):
            return ddim.error_map(functools.partial(predict_noise, graphdef, params), images, way)

        self._compute = compute

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Error maps of at most ``rows`` images, uint8 ``[n, s, s, 3]`` to the same."""
        padded = np.zeros((self.rows, *images.shape[1:]), np.uint8)
        padded[: len(images)] = images
        batch = jax.device_put(padded, sharding.split_rows(self._mesh))
        return np.asarray(self._compute(self._params, batch))[: len(images)]

    @property
    def description(self) -> str:
        """What becomes of an image, in words."""
        return f"reconstruction error at {self.image_size}x{self.image_size} pixels"

    def stream(self, images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Error maps of images of any size, in order, each squashed as for the data set."""
        remaining = map(self.resized, images)
        while batch := list(itertools.islice(remaining, self.rows)):
            yield from self(np.stack(batch))

    def resized(self, image: np.ndarray) -> np.ndarray:
        """uint8 ``[h, w, 3]`` at the size of the maps."""
        if image.shape[:2] == (self.image_size, self.image_size):
            return image
        return resize_to(image, self.image_size)


def reconstruct(
    source: PreparedDataset,
    predictor: NoisePredictor,
    output: str | os.PathLike[str],
    *,
    steps: int = 20,
    image_size: int = 0,
    name: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> PreparedDataset:
    """Writes the reconstruction errors of a prepared data set as another one.

    Splits, their order, labels, generators, classes and file names stay. A run that was
    interrupted, even killed, goes on when it is called again with the same arguments.

    Args:
        source: any prepared data set, but of error maps.
        predictor: what says which noise is in an image.
        output: directory to write; it must not exist yet.
        steps: of the DDIM inversion, and as many back.
        image_size: side in pixels that every image is squashed to first, as files that are scored
            later will be; 0 takes that of the predictor's training.
        name: name of the data set; '' takes the source's with `_dire` behind.
        progress: called with (images done, images in all) after each image.
    """
    check_listable(output, "--output")
    if source.info.get("made_by") == MADE_BY:
        raise UserError(f"{source.path} holds reconstruction errors already; give its source")
    image_size = image_size or predictor.image_size
    maps = ErrorMaps(predictor, steps=steps, image_size=image_size)
    name = name or f"{source.info['name']}_dire"
    check_names(name, source.splits)
    made = settings_of(predictor, steps, image_size)
    plan = {"name": name, "source_fingerprint": source.info["fingerprint"], **made}
    shard_bytes = SHARD_IMAGES * image_size**2 * 3
    total = sum(split.num_examples for split in source.splits.values())
    with resumable_directory(Path(output), plan) as folder:
        if not (folder / DATASET_FILE).exists():
            before = 0
            for split in source.splits:
                records = source.source(split)
                done = sum(shard.items for shard in finished_shards(folder, split))
                items = _counted(_items(records, maps, done), before + done, total, progress)
                write_split(folder, split, items, shard_bytes)
                before += len(records)
        finish_dataset(folder, name, list(source.splits), _info(source, made))
    return PreparedDataset.load(output)


def settings_of(predictor: NoisePredictor, steps: int, image_size: int) -> dict[str, Any]:
    """What decides an error map, as JSON values; kept with the data set."""
    return {
        "noise_predictor_sha256": predictor.sha256,
        "ddim_steps": steps,
        "image_side": image_size,
        "scaling": SCALING,
    }


def _info(source: PreparedDataset, made: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in source.info.items() if key not in _DROPPED}
    title = f"reconstruction errors of {source.info.get('title', source.info['name'])}"
    own = {"made_by": MADE_BY, "title": title, "source": source.info["name"]}
    own |= {"simulated": source.simulated}
    return {**kept, **own, "source_fingerprint": source.info["fingerprint"], "dire": made}


def _counted(
    items: Iterable[ImageRecord | Skipped],
    done: int,
    total: int,
    progress: Callable[[int, int], None] | None,
) -> Iterator[ImageRecord | Skipped]:
    for number, item in enumerate(items, start=done + 1):
        yield item
        if progress is not None:
            progress(number, total)


def _items(records: TFRecordSource, maps: ErrorMaps, done: int) -> Iterator[ImageRecord | Skipped]:
    """One item for each record from number ``done`` on."""
    # Batches always begin at the same records: a continued run computes what one run would have.
    first = done - done % maps.rows if done < len(records) else done
    with ThreadPoolExecutor(_DECODING_THREADS) as pool:
        read = functools.partial(_read, records, maps)
        batches = (
            [pool.submit(read, i) for i in range(start, min(start + maps.rows, len(records)))]
            for start in range(first, len(records), maps.rows)
        )
        # One batch is read while another is computed.
        ahead = next(batches, None)
        while ahead is not None:
            read_now, ahead = ahead, next(batches, None)
            mapped = _map_batch([future.result() for future in read_now], maps)
            yield from itertools.islice(mapped, max(0, done - first), None)
            first += len(read_now)


def _read(
    records: TFRecordSource, maps: ErrorMaps, index: int
) -> tuple[ImageRecord, np.ndarray | str]:
    record = decode_record(records[index])
    try:
        return record, maps.resized(image_array(record))
    except UnreadableImageError as error:
        return record, str(error)


def _map_batch(
    batch: list[tuple[ImageRecord, np.ndarray | str]], maps: ErrorMaps
) -> Iterator[ImageRecord | Skipped]:
    images = [pixels for _, pixels in batch if isinstance(pixels, np.ndarray)]
    errors = iter(maps(np.stack(images)) if images else ())
    for record, pixels in batch:
        if isinstance(pixels, str):
            yield Skipped(record.filename, pixels)
            continue
        yield ImageRecord(
            image=next(errors).tobytes(),
            storage="decoded",
            height=maps.image_size,
            width=maps.image_size,
            label=record.label,
            generator=record.generator,
            filename=record.filename,
            class_name=record.class_name,
        )
