"""Boxes of HEIF, AVIF and JPEG XL files: whether they are whole, and what a JPEG XL begins with.

ISO/IEC 14496-12, 4.2; ISO/IEC 18181-1, annex A (SizeHeader, ImageMetadata).
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from input_pipeline.images.missing_pixels import check_tail, incomplete
from input_pipeline.images.problems import UnreadableImageError

_PIXELS = (b"mdat", b"jxlc", b"jxlp")
_MAX_BOXES = 10_000
# Width to height, by the number that stands for it; 0: the width follows.
_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_SIZE_BITS = (9, 13, 18, 30)


class _Box(NamedTuple):
    name: bytes
    body: memoryview
    missing: int  # bytes


def check_boxes(data: bytes | memoryview) -> None:
    """Raises `UnreadableImageError` where a box of compressed pixels is cut short or zeroed."""
    for box in _boxes(data):
        if box.name not in _PIXELS:
            continue
        if box.missing:
            share = box.missing / (len(box.body) + box.missing)
            raise incomplete("", share, what="compressed pixels")
        check_tail(box.body, "compressed pixels")


def read_jpeg_xl(data: bytes | memoryview) -> tuple[int, int, int]:
    """Returns width, height and orientation (as EXIF's) that a JPEG XL begins with.

    The size is that of the picture as stored. Decoders tell it only together with all pixels.

    Raises:
      UnreadableImageError: there is no such header.
    """
    stream = bytes(data[:64])
    if not stream.startswith(b"\xff\x0a"):
        # A part begins with its number.
        skipped = {b"jxlc": 0, b"jxlp": 4}
        parts = (box.body[skipped[box.name] :] for box in _boxes(data) if box.name in skipped)
        stream = b"".join(bytes(part[:64]) for part in parts)
    if not stream.startswith(b"\xff\x0a") or len(stream) < 12:
        raise UnreadableImageError("damaged image: a JPEG XL without its header")
    bits = _Bits(stream[2:])
    small = bits.take(1)
    height = _side(bits, small)
    ratio = bits.take(3)
    if ratio:
        numerator, denominator = _RATIOS[ratio - 1]
        width = height * numerator // denominator
    else:
        width = _side(bits, small)
    has_more = not bits.take(1) and bits.take(1)
    return width, height, bits.take(3) + 1 if has_more else 1


class _Bits:
    """Numbers of a few bits, the lowest first."""

    def __init__(self, data: bytes) -> None:
        self._rest = int.from_bytes(data, "little")

    def take(self, count: int) -> int:
        """The next so many bits."""
        value = self._rest & ((1 << count) - 1)
        self._rest >>= count
        return value


def _side(bits: _Bits, small: int) -> int:
    if small:
        return 8 * (bits.take(5) + 1)
    return bits.take(_SIZE_BITS[bits.take(2)]) + 1


def _boxes(data: bytes | memoryview) -> Iterator[_Box]:
    """Those at the top."""
    view, at = memoryview(data), 0
    for _ in range(_MAX_BOXES):
        if at + 8 > len(view):
            return
        length, name = struct.unpack_from(">I4s", view, at)
        start = at + 8
        if length == 1 and at + 16 <= len(view):
            length, start = struct.unpack_from(">Q", view, at + 8)[0], at + 16
        end = len(view) if length == 0 else at + length  # 0: up to the end
        if end < start:
            return
        yield _Box(name, view[start:end], max(0, end - len(view)))
        at = end
