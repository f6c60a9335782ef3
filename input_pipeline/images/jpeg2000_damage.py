"""Whether all compressed pixels of a JPEG 2000 are there. ITU-T T.800, annexes A and I."""

import struct
from collections.abc import Iterator

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
    tiles = list(_tile_parts(whole, start))
    end = tiles[-1][1] if tiles else 0
    if end > len(whole):
        length = sum(last - first for first, last in tiles)
        raise incomplete("", (end - len(whole)) / length, what="compressed pixels")
    is_ended = not tiles or whole[end : end + 2] == _END
    return whole if is_ended or len(whole) > end + 1 else whole[:end] + _END


def _tile_parts(data: bytes, start: int) -> Iterator[tuple[int, int]]:
    """Where each part of a tile begins and ends, as far as they can be followed."""
    at = start + 2
    while at + 4 <= len(data):
        marker, length = struct.unpack_from(">HH", data, at)
        if marker != _TILE_PART:
            if marker >> 8 != 0xFF or data[at : at + 2] == _END:
                return
            at += 2 + length
        elif at + 10 > len(data) or not (part := struct.unpack_from(">I", data, at + 6)[0]):
            return  # it goes on to the end of the file, wherever that is
        else:
            yield at, at + part
            at += max(part, 12)
