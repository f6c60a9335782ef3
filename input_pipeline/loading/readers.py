"""What grain's threads and workers do: record numbers in, uint8 pixels out."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.images.augmentations import Augmentation, derive_seed, rng_of
from input_pipeline.images.codecs import is_lossy
from input_pipeline.images.preprocessing import FileReader, Preprocessing
from input_pipeline.images.problems import ImageProblem
from input_pipeline.images.random_delivery import Delivery, RandomDelivery
from input_pipeline.images.transforms import (
    deliver,
    jpeg,
    random_crop,
    random_crop_after_jpeg,
    resize_to,
)
from input_pipeline.loading.couples import of_first_view
from input_pipeline.storage.records import (
    ImageRecord,
    decode_record,
    decoded_shape,
    image_array,
    image_facts,
    read_pixels,
)
from input_pipeline.storage.tfrecord import FRAME_BYTES, TFRecordSource

# See derive_seed; the shuffle is stream 1, augmentations have the next ones.
_EXAMPLE_STREAM, _DELIVERY_STREAM, _BLEND_STREAM = 2, 17, 18


@dataclass(frozen=True, eq=False)
class Blend:
    """Reconstructions that are mixed with the photographs they were made from.

    A mixture stays labelled as generated: fainter traces, of the same content (DDA, NeurIPS 2025).
    """

    originals: np.ndarray  # int64 [n]: the record that each was made from; -1: none
    probability: float  # of a reconstruction to be mixed, 0 to 1
    shares: tuple[float, float]  # lowest and highest share of the reconstruction

    def share(self, rng: np.random.Generator) -> float:
        """Draws how much of the reconstruction is kept; 1: all."""
        drawn = rng.random(), float(rng.uniform(*self.shares))
        return drawn[1] if drawn[0] < self.probability else 1.0


class _Scene(NamedTuple):
    pixels: np.ndarray  # uint8 [h, w, 3], read-only where they are a view of the record
    label: int
    lossless: bool  # whether its file is


def blended(original: np.ndarray, image: np.ndarray, share: float) -> np.ndarray:
    """Mixes two images uint8 [h, w, 3]; `share` is the second one's."""
    mixed = share * image.astype(np.float32) + (1 - share) * original
    return np.rint(mixed).astype(np.uint8)


@dataclass(eq=False)
class BatchReader:
    """Reads training batches; decoded pixels go from the read buffer straight into the batch.

    Its settings are those of `pipeline.train_iterator`.
    """

    source: TFRecordSource
    seed: int
    resize: int
    host_crop: int
    reencode: tuple[int, ...]
    resize_mode: str = "squash"
    small_images: str = "reflect"
    augment: tuple[Augmentation, ...] = ()
    read_file: FileReader | None = None
    random_delivery: RandomDelivery | None = None  # takes the place of all but read_file
    blend: Blend | None = None
    cache_bytes: int = 0  # of memory in which decoded images are kept

    def __post_init__(self) -> None:
        self._scenes: dict[int, _Scene] = {}
        self._room = self.cache_bytes
        self._key = derive_seed(self.seed, _EXAMPLE_STREAM)
        self._delivery_key = derive_seed(self.seed, _DELIVERY_STREAM)
        self._blend_key = derive_seed(self.seed, _BLEND_STREAM)
        steps = [(step, derive_seed(self.seed, step.stream)) for step in self.augment]
        self._first = [item for item in steps if item[0].comes_first]
        self._later = [item for item in steps if not item[0].comes_first]

    @property
    def only_copies(self) -> bool:
        """Whether images go into the batch as they are stored, judged by some of the records.

        A single thread then reads the fastest: copying a record takes several short calls into the
        system, after each of which two threads would wait for each other and be woken again.
        """
        if self.reencode or self.augment or self.host_crop:
            return False
        # Of several data sets, one may hold files and another pixels.
        for index in np.unique(np.linspace(0, len(self.source) - 1, 16).astype(int)):
            shape = decoded_shape(self.source, int(index))
            if shape is None or (self.resize and shape[:2] != (self.resize, self.resize)):
                return False
        return True

    def __call__(self, item: tuple[np.ndarray, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns the batch of `pipeline.train_iterator` for these positions and records."""
        positions, records = item
        mask = records >= 0
        count = int(mask.sum())
        # A process may get blank rows only; one real image then tells the shape of the batch.
        wanted = [int(record) for record in records[:count]] or [0]
        longest = max(self.source.length(record) for record in wanted)
        scratch = np.empty(longest + FRAME_BYTES, np.uint8)
        labels = np.zeros(len(records), np.int32)
        image, labels[0] = self._read(wanted[0], int(positions[0]), scratch)
        images = np.empty((len(records), *image.shape), np.uint8)
        images[0] = image
        for row in range(1, count):
            labels[row] = self._fill(images[row], wanted[row], int(positions[row]), scratch)
        images[count:] = 0
        labels[count:] = 0
        return {"image": images, "label": labels, "mask": mask.astype(np.float32)}

    def _fill(self, out: np.ndarray, index: int, position: int, scratch: np.ndarray) -> int:
        """Puts the image of a record into a row of the batch; returns its label."""
        changed = self.reencode or self.augment or self.host_crop
        if not (changed or self.resize not in (0, out.shape[0]) or self._kept(index)):
            label = read_pixels(self.source, index, scratch, out)
            if label is not None:
                return label
        image, label = self._read(index, position, scratch, out)
        if image is out:
            return label
        if image.shape != out.shape:
            raise UserError(
                f"record {index} is an image of shape {image.shape}, the images before it have "
                f"{out.shape}, and they cannot form a batch. Set data.resize or data.host_crop."
            )
        out[...] = image
        return label

    def _read(
        self, index: int, position: int, scratch: np.ndarray, out: np.ndarray | None = None
    ) -> tuple[np.ndarray, int]:
        if self.random_delivery is not None:
            scene = self._scene(index)
            delivery = self.random_delivery.draw(rng_of(self._delivery_key, position))
            return self._delivered(scene, index, position, delivery), scene.label
        if self._kept(index):
            scene = self._scene(index)
            return self._changed(scene.pixels, position), scene.label
        record = decode_record(self.source.read_into(index, scratch), copy=False)
        return self._changed(record_pixels(record, out, self.read_file), position), record.label

    def _kept(self, index: int) -> bool:
        """Whether an image is kept in memory, or there is room to try."""
        return self._room > 0 or index in self._scenes

    def _scene(self, index: int) -> "_Scene":
        """Returns a record's image as it is stored; keeps it until one does not fit."""
        scene = self._scenes.get(index)
        if scene is None:
            record = decode_record(self.source[index], copy=False)
            pixels = record_pixels(record, None, self.read_file)
            pixels.flags.writeable = False
            lossless = record.storage == "encoded" and not is_lossy(record.image)
            scene = _Scene(pixels, record.label, lossless)
            # Two threads may both decode it; what they keep is the same.
            if pixels.nbytes <= self._room:
                self._room -= pixels.nbytes
                self._scenes[index] = scene
            else:
                self._room = 0  # what is not kept is read in the fastest way
        return scene

    def _delivered(
        self, scene: "_Scene", index: int, position: int, delivery: Delivery
    ) -> np.ndarray:
        """Returns the crop of an image as it might reach us; a couple's two share the draw."""
        image = scene.pixels
        if self.blend is not None and self.blend.originals[index] >= 0:
            share = self.blend.share(rng_of(self._blend_key, of_first_view(position)))
            if share < 1:
                original = self._scene(int(self.blend.originals[index]))
                image = blended(original.pixels, image, share)
        for step, key in self._first:
            image = step(image, rng_of(key, position))
        return delivery.crop(
            image, self.host_crop, lossless=scene.lossless, small=self.small_images
        )

    def _changed(self, image: np.ndarray, position: int) -> np.ndarray:
        """Returns the image as it goes into the batch."""
        for step, key in self._first:
            image = step(image, rng_of(key, position))
        if not (self.reencode or self.host_crop):  # a generator takes as long as reading a record
            return self._resized(image, position)
        rng = rng_of(self._key, position)
        if self.reencode:
            quality = int(rng.integers(self.reencode[0], self.reencode[1] + 1))
            if self.host_crop and not (self.resize or self._later):
                return random_crop_after_jpeg(
                    image, self.host_crop, quality, rng, self.small_images
                )
            image = jpeg(image, quality)
        image = self._resized(image, position)
        return (
            random_crop(image, self.host_crop, rng, self.small_images) if self.host_crop else image
        )

    def _resized(self, image: np.ndarray, position: int) -> np.ndarray:
        if self.resize:
            image = resize_to(image, self.resize, self.resize_mode)
        for step, key in self._later:
            image = step(image, rng_of(key, position))
        return image


def evaluation_element(
    source: TFRecordSource, preprocessing: Preprocessing, delivery: str, facts: bool, index: int
) -> dict[str, Any]:
    """Returns the element of `pipeline.evaluation_images` for a record."""
    record = decode_record(source[index])
    pixels = record_pixels(record, read_file=preprocessing.read_file)
    with _named(record):
        image = preprocessing(deliver(pixels, delivery))
    element = {"image": image, **facts_of(record, index)}
    return element | {"facts": image_facts(record, image)} if facts else element


def facts_of(record: ImageRecord, index: int) -> dict[str, Any]:
    """Returns what an element says of its image: label, generator, file name and number."""
    facts = {"label": record.label, "generator": record.generator, "filename": record.filename}
    return facts | {"index": index}


def record_pixels(
    record: ImageRecord, out: np.ndarray | None = None, read_file: FileReader | None = None
) -> np.ndarray:
    """Returns the pixels of a record, or what `read_file` makes of its file.

    Raises:
      ImageProblem: naming the file.
    """
    with _named(record):
        if read_file is not None and record.storage == "encoded":
            return read_file(record.image)
        return image_array(record, out)


@contextlib.contextmanager
def _named(record: ImageRecord) -> Iterator[None]:
    """Begins the message of whatever is wrong with an image with its file's name."""
    try:
        yield
    except ImageProblem as error:
        raise type(error)(f"{record.filename}: {error}") from error
