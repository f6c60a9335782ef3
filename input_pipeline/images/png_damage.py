"""Whether all pixels of a PNG are there. W3C, third edition; what deflate can hold: RFC 1951."""

import itertools
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from input_pipeline.images.missing_pixels import incomplete, without_zeros

_START = b"\x89PNG\r\n\x1a\n"
_KEPT = frozenset([b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT"])
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a pixel, by the colour type
# Of each pass of an interlaced PNG: first column and row, steps across and down.
_WHOLE = ((0, 0, 1, 1),)
_PASSES = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)
_DEFLATE_RATIO = 1032  # the most that it saves: 258 bytes in two bits
_SPARE = 2**20  # bytes that a stream of pixels may expand to beyond what the header tells
_AT_ONCE = 2**16  # bytes that are expanded, and bytes of a result that is thrown away


class _Chunk(NamedTuple):
    name: bytes
    body: memoryview
    length: int  # bytes that it should have
    checksum: bytes  # as stored

    @property
    def is_sound(self) -> bool:
        """Whether its checksum is that of what it holds."""
        return struct.pack(">I", zlib.crc32(self.body, zlib.crc32(self.name))) == self.checksum


def is_png(data: bytes | memoryview) -> bool:
    """By its first bytes."""
    return bytes(data[: len(_START)]) == _START


def pixels_only(data: bytes | memoryview) -> bytes:
    """A PNG of the same picture and nothing else.

    Checksums stay as they are, but of a last chunk that is cut short.
    """
    parts: list[bytes | memoryview] = [_START]
    for name, body, length, checksum in _chunks(data):
        if len(body) < length or len(checksum) < 4:
            checksum = struct.pack(">I", zlib.crc32(body, zlib.crc32(name)))
        parts += [struct.pack(">I", len(body)), name, body, checksum]
    return b"".join([*parts, bytes(4), b"IEND", struct.pack(">I", zlib.crc32(b"IEND"))])


def check(data: bytes | memoryview) -> None:
    """Raises `UnreadableImageError` where a checksum of the pixels is wrong.

    A wrong one of a chunk does not matter where that of the whole stream is right.
    """
    chunks = list(_chunks(data))
    if all(chunk.is_sound for chunk in chunks if chunk.name == b"IDAT"):
        return
    size = _size_of_rows(chunks)
    if not _expanded(_pixels(chunks), size + _SPARE)[1]:
        share = share_missing(data)
        raise incomplete("a checksum is wrong, so others may be corrupt", share, bound="at least")


def share_missing(data: bytes | memoryview) -> float:
    """The share of its rows that the compressed pixels do not expand to; none is decoded."""
    chunks = list(_chunks(data))
    size = _size_of_rows(chunks)
    expanded = _expanded(without_zeros(_pixels(chunks)), size)[0]
    return max(0.0, 1 - expanded / size) if size else 0.0


def fewest_bytes(data: bytes | memoryview) -> int:
    """What a PNG has at the least whose pixels are all there; only its header is read."""
    return _size_of_rows(itertools.islice(_chunks(data), 1)) // _DEFLATE_RATIO


def _chunks(data: bytes | memoryview) -> Iterator[_Chunk]:
    """The chunks that matter, up to the end of the picture or of the file."""
    view = memoryview(data)
    at = len(_START)
    while at + 8 <= len(view):
        length, name = struct.unpack_from(">I4s", view, at)
        end = at + 8 + length
        if name == b"IEND":
            return
        if name in _KEPT:
            yield _Chunk(name, view[at + 8 : end], length, bytes(view[end : end + 4]))
        at = end + 4


def _size_of_rows(chunks: Iterable[_Chunk]) -> int:
    """Bytes that all rows have, not compressed, each with the byte that names its filter."""
    header = next((bytes(chunk.body) for chunk in chunks if chunk.name == b"IHDR"), b"")
    width, height, depth, colour, interlaced = struct.unpack(
        ">IIBBxxB", header.ljust(13, b"\0")[:13]
    )
    bits, size = depth * _SAMPLES.get(colour, 4), 0
    for left, top, across, down in _PASSES if interlaced else _WHOLE:
        columns, rows = -(-max(width - left, 0) // across), -(-max(height - top, 0) // down)
        size += rows * (1 + -(-columns * bits // 8)) if columns else 0
    return size


def _pixels(chunks: Iterable[_Chunk]) -> bytes:
    return b"".join(chunk.body for chunk in chunks if chunk.name == b"IDAT")


def _expanded(pixels: bytes, most: int) -> tuple[int, bool]:
    """How many bytes the compressed pixels expand to, and whether they end as they should.

    What does not expand is fed in small pieces, as a piece with an error in it gives nothing.
    """
    piece = min(max(len(pixels) // 2000, 1), _AT_ONCE)
    stream, expanded = zlib.decompressobj(), 0
    try:
        for at in range(0, len(pixels), piece):
            waiting = pixels[at : at + piece]
            while waiting and not stream.eof and expanded <= most:
                expanded += len(stream.decompress(waiting, _AT_ONCE))
                waiting = stream.unconsumed_tail
    except zlib.error:
        return expanded, False
    return expanded, stream.eof
