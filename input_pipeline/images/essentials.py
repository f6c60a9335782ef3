"""The parts of a file that hold its pixels, and whether they are whole.

Metadata never decide whether pixels are read: profiles and texts of any size are left out before
a decoder sees the file. PNG: W3C, third edition; WebP: RFC 9649.
"""

import struct
import zlib

from input_pipeline.images import jpeg2000_damage, jpeg_damage, png_damage
from input_pipeline.images.codecs import PILLOW_ERRORS
from input_pipeline.images.missing_pixels import check_tail, incomplete, share_missing
from input_pipeline.images.plugins import open_as

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
    if png_damage.is_png(data):
        return png_damage.pixels_only(data)
    if bytes(data[:4]) == b"RIFF" and bytes(data[8:12]) == b"WEBP":
        return _webp_pixels(memoryview(data))
    return data


def completed(data: bytes | memoryview) -> bytes | memoryview:
    """Returns a file whose pixels are whole, with the end mark that it may have lacked.

    JPEG, JPEG 2000, PNG and TIFF only: of the others Pillow's decoders tell by themselves. Pixels
    are decoded.

    Raises:
      UnreadableImageError: pixels are missing or corrupt.
    """
    if bytes(data[:3]) == b"\xff\xd8\xff":
        return jpeg_damage.completed(data)
    if jpeg2000_damage.is_jpeg_2000(data):
        return jpeg2000_damage.completed(data)
    if png_damage.is_png(data):
        png_damage.check(data)
    if bytes(data[:4]) in _TIFF_STARTS:
        _check_tiff(memoryview(data))
    return data


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
            raise incomplete("", share, what="compressed pixels")
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
