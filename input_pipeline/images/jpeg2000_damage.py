"""Whether all compressed pixels of a JPEG 2000 are there. ITU-T T.800, annexes A and I."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from input_pipeline.images.missing_pixels import incomplete

_BOX, _STREAM = b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"  # a file; a codestream alone
_TILE_PART, _END = 0xFF90, b"\xff\xd9"


def is_jpeg_2000(data: bytes | memoryview) -> bool:
    """By its first bytes."""
    return bytes(data[:12]) == _BOX or bytes(data[:4]) == _STREAM


def completed(data: bytes | memoryview) -> bytes:
    """Returns a JPEG 2000 with its end mark, which may have been missing.

    Raises:
      UnreadableImageError: compressed pixels are missing.
    """
    whole = bytes(data)
    start = 0 if whole.startswith(_STREAM) else whole.find(_STREAM)
    if start < 0:  # a decoder says what is wrong
        return whole
    parts = list(_tile_parts(whole, start))
    end = parts[-1].end if parts else 0
    if end > len(whole):
        length = sum(part.end - part.start for part in parts)
        raise incomplete("", (end - len(whole)) / length, what="compressed pixels")
    tiles = _tiles(whole, start)
    if (there := len({part.tile for part in parts if part.tile < tiles})) and there < tiles:
        raise incomplete("", 1 - there / tiles)
    is_ended = not parts or whole[end : end + 2] == _END
    return whole if is_ended or len(whole) > end + 1 else whole[:end] + _END


class _TilePart(NamedTuple):
    tile: int
    start: int
    end: int


def _tiles(data: bytes, start: int) -> int:
    """How many the header tells; 0 where it is not whole."""
    try:
        right, bottom, _, _, width, height, left, top = struct.unpack_from(">8I", data, start + 8)
        return -(-(right - left) // width) * -(-(bottom - top) // height)
    except (struct.error, ZeroDivisionError):
        return 0


def _tile_parts(data: bytes, start: int) -> Iterator[_TilePart]:
    """Each part of a tile, as far as they can be followed."""
    at = start + 2
    while at + 4 <= len(data):
        marker, length = struct.unpack_from(">HH", data, at)
        if marker != _TILE_PART:
            if marker >> 8 != 0xFF or data[at : at + 2] == _END:
                return
            at += 2 + length
        elif at + 10 > len(data):
            return
        else:
            tile, part = struct.unpack_from(">HI", data, at + 4)
            # Without a length it goes on to the end of the file, wherever that is.
            yield _TilePart(tile, at, at + part if part else len(data))
            at += part or len(data)
