"""Opening a file by Pillow's plugins, without the one limit on pixels that Pillow has."""

import io
import struct
from collections.abc import Iterable
from typing import BinaryIO

from PIL import ExifTags, Image


def open_as(file: bytes | memoryview | BinaryIO, formats: Iterable[str]) -> Image.Image:
    """As `Image.open`; the size is not looked at, and left to the caller to judge.

    Args:
      file: the bytes of a file, or a file at its start.
      formats: those that may be tried, by Pillow's names.

    Raises:
      UnidentifiedImageError: the file is of none of them; or what their plugins raise.
    """
    if isinstance(file, bytes | memoryview):
        file = io.BytesIO(file)
    Image.init()
    head = file.read(16)
    for name in formats:
        if name not in Image.OPEN:  # not in this build of Pillow
            continue
        factory, accepts = Image.OPEN[name]
        file.seek(0)
        if accepts is not None and accepts(head) is not True:
            continue
        try:
            return factory(file, "")
        except (SyntaxError, IndexError, TypeError, struct.error):  # another format, to Pillow
            continue
    raise Image.UnidentifiedImageError("its header cannot be read")


def stored_size(image: Image.Image) -> tuple[int, int]:
    """The (width, height) that an opened file stores; of TIFF Pillow tells that of the result."""
    return getattr(image, "_tile_size", image.size)


def turned_by_pillow(image: Image.Image) -> int:
    """The orientation (EXIF's number) by which Pillow turns a file that it decodes: 1 but for TIFF.

    To be asked before the pixels are decoded.
    """
    tags = getattr(image, "tag_v2", {}) if image.format == "TIFF" else {}
    return tags.get(ExifTags.Base.Orientation, 1)
