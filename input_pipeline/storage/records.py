"""One image as one record: its fields, and how they are laid out in a `tf.train.Example`."""

import contextlib
import hashlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from input_pipeline.errors import UserError
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


@dataclass(frozen=True)
class ImageRecord:
    """An image with what is known of it.

    Attributes:
      image: storage 'encoded': the bytes of the original file; 'decoded': uint8 pixels, row by row,
        RGB, height * width * 3 bytes.
      storage: 'encoded' or 'decoded'.
      height: rows of the decoded image.
      width: columns of the decoded image.
      label: 0 photograph, 1 generated.
      generator: what made it: the name of the generator, or of the source of the photographs.
      filename: where it came from, relative to the root of the source; unique in a split.
      class_name: what it shows where the source says so ('car', 'horse'), else ''.
      sha256: of the original file, in hex; '' before it is encoded: of `image` itself.
    """

    image: bytes | memoryview
    storage: str
    height: int
    width: int
    label: int
    generator: str
    filename: str
    class_name: str = ""
    sha256: str = ""


def encode_record(record: ImageRecord) -> bytes:
    """Serialises a record as a `tf.train.Example`, the image last.

    Raises:
      ValueError: storage or label is none of the allowed, or decoded pixels do not fill the shape.
    """
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
    return serialize_example(small, ("image", bytes(record.image)))


def decode_record(data: bytes | memoryview, *, copy: bool = True) -> ImageRecord:
    """Reads what `encode_record` wrote.

    Args:
      data: the serialised record.
      copy: False leaves the image a view into `data` instead of copying its bytes.

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

    Args:
      record: the record.
      out: memory that may be used for encoded images, see `transforms.decode`.

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
      The label, or None if the record is not a decoded image of that shape; `pixels` then holds
      nothing of use.

    Raises:
      CorruptRecordError: the record does not match its checksum.
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


def record_facts(source: TFRecordSource, index: int) -> RecordFacts:
    """Reads the facts of a record from its first bytes where they hold them.

    Raises:
      ValueError: the record lacks one of them, or its label is not allowed.
    """
    head = leading_features(source.peek(index, _PEEK_BYTES), "image")
    with contextlib.suppress(KeyError, UnicodeDecodeError):
        if head is not None and (label := int_value(head, "label")) in (PHOTOGRAPH, GENERATED):
            names = (bytes_value(head, key).decode() for key in ("filename", "generator", "class"))
            filename, generator, class_name = names
            return RecordFacts(filename, label, generator, class_name)
    # Either the facts lie behind the image, or this says what is wrong with them.
    record = decode_record(source[index], copy=False)
    return RecordFacts(record.filename, record.label, record.generator, record.class_name)


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
