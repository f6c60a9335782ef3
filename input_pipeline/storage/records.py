"""One image as one record: its fields, their layout in a `tf.train.Example`, and simple facts."""

import contextlib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.images.jpeg_tables import UNLIKE
from input_pipeline.images.metadata import read_facts
from input_pipeline.images.transforms import decode
from input_pipeline.storage.example_proto import (
    bytes_value,
    int_value,
    leading_features,
    parse_example,
    serialize_example,
    split_example,
)
from input_pipeline.storage.tfrecord import TFRecordSource

PHOTOGRAPH, GENERATED = 0, 1
STORAGES = ("encoded", "decoded")
_PEEK_BYTES = 1024
FACT_COLUMNS = (
    "format", "height", "width", "bytes_per_pixel", "jpeg_quality",
    "brightness", "contrast", "sharpness",
)  # fmt: skip
_LARGEST = 512  # pixels: a large image is judged by its central square of that side


@dataclass(frozen=True)
class ImageRecord:
    """An image with what is known of it."""

    # Storage 'encoded': the bytes of the original file; 'decoded': uint8 pixels, row by row, RGB,
    # height * width * 3 bytes.
    image: bytes | memoryview
    storage: str  # 'encoded' or 'decoded'
    height: int  # rows of the decoded image
    width: int  # columns of the decoded image
    label: int  # 0 photograph, 1 generated
    generator: str  # what made it: the name of the generator, or of the source of the photographs
    filename: str  # where it came from, relative to the root of the source; unique in a split
    class_name: str = ""  # what it shows where the source says so ('car', 'horse'), else ''
    sha256: str = ""  # of the original file, in hex; '' before it is encoded: of `image` itself
    # The same for a photograph and all that was made from it; '' where nothing was.
    pair: str = ""


def encode_record(record: ImageRecord) -> bytes:
    """Serialises a record as a `tf.train.Example`, the image last; ValueError where it is none."""
    _check(record)
    small: dict[str, bytes | str | int] = {
        "storage": record.storage,
        "height": record.height,
        "width": record.width,
        "label": record.label,
        "generator": record.generator,
        "filename": record.filename,
        "class": record.class_name,
        "sha256": record.sha256 or hashlib.sha256(record.image).hexdigest(),
    }
    if record.pair:
        small["pair"] = record.pair
    return serialize_example(small, ("image", bytes(record.image)))


def decode_record(data: bytes | memoryview, *, copy: bool = True) -> ImageRecord:
    """Reads what `encode_record` wrote; without `copy` the image is a view into `data`.

    Raises:
      ValueError: the bytes are no such record; the message says what is missing.
    """
    view = memoryview(data)
    parts = split_example(view, "image")
    features = parse_example(view) if parts is None else parts[0]
    try:
        image = bytes_value(features, "image") if parts is None else view[slice(*parts[1])]
        record = ImageRecord(
            image=bytes(image) if copy else image,
            storage=bytes_value(features, "storage").decode(),
            height=int_value(features, "height"),
            width=int_value(features, "width"),
            label=int_value(features, "label"),
            generator=bytes_value(features, "generator").decode(),
            filename=bytes_value(features, "filename").decode(),
            class_name=bytes_value(features, "class").decode(),
            sha256=bytes_value(features, "sha256").decode(),
            pair=_pair(features),
        )
    except (KeyError, UnicodeDecodeError) as error:
        raise UserError(
            f"a record without a proper field {error}. Was this data set written by "
            "`python main.py prepare`?"
        ) from error
    _check(record)
    return record


def image_array(record: ImageRecord, out: np.ndarray | None = None) -> np.ndarray:
    """Returns the pixels of a record, uint8 [h, w, 3], RGB, read-only for decoded storage.

    For encoded images, `out` is memory that may be used, see `transforms.decode`.

    Raises:
      UnreadableImageError: encoded bytes that do not decode.
    """
    if record.storage == "encoded":
        return decode(record.image, out=out)
    return np.frombuffer(record.image, np.uint8).reshape(record.height, record.width, 3)


def read_pixels(
    source: TFRecordSource, index: int, scratch: np.ndarray, pixels: np.ndarray
) -> int | None:
    """Reads a decoded image from its shard straight into an array, without a copy on the way.

    Args:
      source: the records.
      index: which record.
      scratch: uint8 buffer of at least `source.length(index) + FRAME_BYTES`.
      pixels: contiguous uint8 [h, w, 3] to fill.

    Returns:
      The label, or None if it is not a decoded image of that shape; `pixels` is then of no use.
    """
    if source.length(index) < pixels.size:
        return None
    head = source.read_into(index, scratch, pixels.reshape(-1))
    parts = split_example(head, "image", pixels.size)
    if parts is None or parts[1][0] != len(head):
        return None
    features = parts[0]
    try:
        shape = (int_value(features, "height"), int_value(features, "width"), 3)
        decoded = bytes_value(features, "storage") == b"decoded"
        label = int_value(features, "label")
    except KeyError:
        return None
    return label if decoded and shape == pixels.shape else None


def decoded_shape(source: TFRecordSource, index: int) -> tuple[int, int, int] | None:
    """Returns the shape of record `index` if its image is stored decoded, from its first bytes."""
    head = leading_features(source.peek(index, _PEEK_BYTES), "image")
    try:
        if head is None or bytes_value(head, "storage") != b"decoded":
            return None
        return int_value(head, "height"), int_value(head, "width"), 3
    except KeyError:
        return None  # No record of ours, as whoever reads the whole of it is told.


class RecordFacts(NamedTuple):
    """What is known of an image without the image; see `ImageRecord`."""

    filename: str
    label: int
    generator: str
    class_name: str
    pair: str = ""


def record_facts(source: TFRecordSource, index: int) -> RecordFacts:
    """Reads the facts of a record, from its first bytes where they hold them."""
    head = leading_features(source.peek(index, _PEEK_BYTES), "image")
    with contextlib.suppress(KeyError, UnicodeDecodeError):
        if head is not None and (label := int_value(head, "label")) in (PHOTOGRAPH, GENERATED):
            names = (bytes_value(head, key).decode() for key in ("filename", "generator", "class"))
            filename, generator, class_name = names
            return RecordFacts(filename, label, generator, class_name, _pair(head))
    # Either the facts lie behind the image, or this says what is wrong with them.
    record = decode_record(source[index], copy=False)
    return RecordFacts(
        record.filename, record.label, record.generator, record.class_name, record.pair
    )


def _pair(features: Mapping[str, Any]) -> str:
    return bytes_value(features, "pair").decode() if "pair" in features else ""


def _check(record: ImageRecord) -> None:
    if record.storage not in STORAGES:
        raise UserError(f"record storage is {record.storage!r}; allowed are {STORAGES}.")
    if record.label not in (PHOTOGRAPH, GENERATED):
        raise UserError(
            f"record label is {record.label!r}; allowed are 0 (photograph), 1 (generated)."
        )
    pixels = record.height * record.width * 3
    if record.storage == "decoded" and len(record.image) != pixels:
        raise UserError(
            f"decoded record {record.filename!r} has {len(record.image)} bytes; its shape "
            f"[{record.height}, {record.width}, 3] needs {pixels}."
        )


def image_facts(record: ImageRecord, image: np.ndarray) -> dict[str, Any]:
    """The facts of a record, JSON values; `image` are its pixels as scored, uint8 [h, w, 3].

    Returns:
      ``format`` as Pillow names it, ``bytes_per_pixel`` and ``jpeg_quality`` (of libjpeg's table
      that is the file's or near it; None without) of the file, None where only pixels are stored;
      ``height`` and ``width`` of the stored image. Of the scored pixels' luma (0 to 255), or of its
      central square of 512 pixels: ``brightness``, its mean; ``contrast``, its standard deviation;
      ``sharpness``, the standard deviation of its Laplacian.
    """
    facts: dict[str, Any] = {"format": None, "bytes_per_pixel": None, "jpeg_quality": None}
    if record.storage == "encoded":
        file = read_facts(record.image)
        facts["format"] = file.format
        facts["jpeg_quality"] = None if file.certainty == UNLIKE else file.quality
        facts["bytes_per_pixel"] = file.num_bytes / (file.height * file.width)
    return facts | {"height": record.height, "width": record.width} | _look(image)


def _look(image: np.ndarray) -> dict[str, float]:
    import cv2  # slow to import, and only evaluation needs it

    top, left = (max(0, (length - _LARGEST) // 2) for length in image.shape[:2])
    part = np.ascontiguousarray(image[top : top + _LARGEST, left : left + _LARGEST])
    luma = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)
    mean, deviation = cv2.meanStdDev(luma)
    edges = cv2.meanStdDev(cv2.Laplacian(luma, cv2.CV_16S))[1]
    values = {"brightness": mean, "contrast": deviation, "sharpness": edges}
    return {name: float(value[0, 0]) for name, value in values.items()}
