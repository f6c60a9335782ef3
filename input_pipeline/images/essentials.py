"""The parts of a file that hold its pixels, and whether they are whole.

Metadata never decide whether pixels are read: profiles and texts of any size are left out before
a decoder sees the file. PNG: W3C, third edition; WebP: RFC 9649.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from input_pipeline.images import jpeg_damage
from input_pipeline.images.codecs import PILLOW_ERRORS
from input_pipeline.images.missing_pixels import check_tail, incomplete, share_missing
from input_pipeline.images.plugins import open_as
from input_pipeline.images.problems import UnreadableImageError

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = frozenset([b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT"])
_TIFF_STARTS = (b"II*\0", b"MM\0*")
_COMPRESSION, _JPEG_TABLES = 259, 347
_DEFLATE, _JPEG = (8, 32946), 7  # values of Compression
# Offsets and sizes of a TIFF's strips, and of its tiles.
_PARTS = ((273, 279), (324, 325))
_SPARE = 2**20  # bytes that a stream of pixels may expand to beyond what the header tells
_WEBP_KEPT = frozenset([b"VP8X", b"ANIM", b"ALPH"])
_WEBP_PIXELS = frozenset([b"VP8 ", b"VP8L", b"ANMF"])
_WEBP_METADATA_FLAGS = 0x20 | 0x08 | 0x04  # profile, EXIF, XMP


def pixels_only(data: bytes | memoryview) -> bytes | memoryview:
    """Returns a PNG or WebP of the same first picture and nothing else; other files as they are.

    Nothing is decoded.

    Raises:
      UnreadableImageError: pixels of a WebP are missing.
    """
    if _is_png(data):
        return _png_of(_png_chunks(data))
    if bytes(data[:4]) == b"RIFF" and bytes(data[8:12]) == b"WEBP":
        return _webp_pixels(memoryview(data))
    return data


def completed(data: bytes | memoryview) -> bytes | memoryview:
    """Returns a file whose pixels are whole, with the end mark that a JPEG may have lacked.

    JPEG, PNG and TIFF only: of the others Pillow's decoders tell by themselves. Pixels are decoded.

    Raises:
      UnreadableImageError: pixels are missing or corrupt.
    """
    if bytes(data[:3]) == b"\xff\xd8\xff":
        return jpeg_damage.completed(data)
    if _is_png(data):
        _check_png(list(_png_chunks(data)))
    if bytes(data[:4]) in _TIFF_STARTS:
        _check_tiff(memoryview(data))
    return data


def _is_png(data: bytes | memoryview) -> bool:
    return bytes(data[: len(_PNG)]) == _PNG


class _Chunk(NamedTuple):
    name: bytes
    body: memoryview
    length: int  # bytes that it should have
    checksum: bytes  # as stored

    @property
    def is_sound(self) -> bool:
        """Whether its checksum is that of what it holds."""
        return struct.pack(">I", zlib.crc32(self.body, zlib.crc32(self.name))) == self.checksum


def _png_chunks(data: bytes | memoryview) -> Iterator[_Chunk]:
    """The chunks that matter, up to the end of the picture or of the file."""
    view = memoryview(data)
    at = len(_PNG)
    while at + 8 <= len(view):
        length, name = struct.unpack_from(">I4s", view, at)
        end = at + 8 + length
        if name == b"IEND":
            return
        if name in _PNG_KEPT:
            yield _Chunk(name, view[at + 8 : end], length, bytes(view[end : end + 4]))
        at = end + 4


def _png_of(chunks: Iterator[_Chunk] | Sequence[_Chunk]) -> bytes:
    """A PNG of these chunks. Checksums stay as they are, but of a last chunk that is cut short."""
    parts: list[bytes | memoryview] = [_PNG]
    for name, body, length, checksum in chunks:
        if len(body) < length or len(checksum) < 4:
            checksum = struct.pack(">I", zlib.crc32(body, zlib.crc32(name)))
        parts += [struct.pack(">I", len(body)), name, body, checksum]
    return b"".join([*parts, bytes(4), b"IEND", struct.pack(">I", zlib.crc32(b"IEND"))])


def _check_png(chunks: Sequence[_Chunk]) -> None:
    """Raises `UnreadableImageError` where a checksum of the pixels is wrong.

    A wrong one of a chunk does not matter where that of the whole stream is right.
    """
    wrong = (place for place, c in enumerate(chunks) if c.name == b"IDAT" and not c.is_sound)
    first = next(wrong, None)
    if first is None or _is_whole_stream(chunks):
        return
    before, share = _png_of(chunks[:first]), 1.0
    if any(chunk.name == b"IDAT" for chunk in chunks[:first]):
        share = share_missing(lambda: open_as(before, ["PNG"]))
    if share:  # else the rows were whole before
        raise incomplete("a checksum of the others is wrong", share)


def _is_whole_stream(chunks: Sequence[_Chunk]) -> bool:
    header = next((bytes(c.body) for c in chunks if c.name == b"IHDR"), b"").ljust(13, b"\0")
    width, height = struct.unpack(">II", header[:8])
    stream = zlib.decompressobj()
    pixels = b"".join(c.body for c in chunks if c.name == b"IDAT")
    try:
        stream.decompress(pixels, height * (width * 8 + 8) + _SPARE)
    except zlib.error:
        return False
    return stream.eof


def _check_tiff(data: memoryview) -> None:
    """Raises `UnreadableImageError` where compressed pixels are corrupt and libtiff goes on."""
    tags = getattr(open_as(data, ["TIFF"]), "tag_v2", {})
    parts = (
        bytes(data[offset : offset + size])
        for offsets, sizes in _PARTS
        for offset, size in zip(tags.get(offsets, ()), tags.get(sizes, ()), strict=False)
    )
    if tags.get(_COMPRESSION) in _DEFLATE:
        for part in parts:
            _check_deflated(part)
    if tags.get(_COMPRESSION) == _JPEG:
        tables = tags.get(_JPEG_TABLES, b"")
        for part in parts:  # each is a JPEG whose tables may stand apart
            _check_jpeg(tables[:-2] + part[2:] if tables else part)


def _check_jpeg(part: bytes) -> None:
    whole = jpeg_damage.completed(part)
    try:
        open_as(whole, ["JPEG"]).load()
    except PILLOW_ERRORS as error:
        share = share_missing(lambda: open_as(whole, ["JPEG"]))
        raise incomplete(str(error), share) from error


def _check_deflated(part: bytes) -> None:
    stream = zlib.decompressobj()
    try:
        while part and not stream.eof:
            stream.decompress(part, _SPARE)
            part = stream.unconsumed_tail
    except zlib.error as error:
        raise incomplete("a checksum is wrong", 0) from error
    if not stream.eof:
        raise incomplete("its compressed pixels go on where they should end", 0)


def _webp_pixels(data: memoryview) -> bytes:
    """The picture's chunks alone; of an animation those of its first frame."""
    kept = [b"WEBP"]
    at = 12
    while at + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, at)
        body = data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
        if name in _WEBP_PIXELS and len(body) < length:
            share = 1 - len(body) / length
            raise UnreadableImageError(
                f"damaged image: {share:.1%} of its compressed pixels are missing"
            )
        if name in _WEBP_PIXELS or name in _WEBP_KEPT:
            content = bytes(body)
            if name == b"VP8X":
                content = bytes([content[0] & ~_WEBP_METADATA_FLAGS]) + content[1:]
            kept += [name, struct.pack("<I", len(content)), content, bytes(len(content) % 2)]
        if name in _WEBP_PIXELS:
            check_tail(body, "compressed pixels")
            break
    inside = b"".join(kept)
    return b"RIFF" + struct.pack("<I", len(inside)) + inside
