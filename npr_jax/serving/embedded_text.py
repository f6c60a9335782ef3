"""Texts and manifests inside image files, read without decoding and within bounds; never raises."""

import contextlib
import re
import struct
import zlib
from collections.abc import Iterator

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_MAX_CHUNKS = 10_000  # of one file; a PNG has a few, a large one thousands of IDAT
_MAX_TEXT = 2_000_000  # bytes of one text, expanded
_MAX_TEXTS = 50
_XMP = re.compile(rb"<x:xmpmeta.{0,1000000}?</x:xmpmeta>", re.DOTALL)
_APP1, _APP11, _APP13, _COMMENT, _SCAN = 0xE1, 0xEB, 0xED, 0xFE, 0xDA
# The type of C2PA's box in ISO media files: C2PA Technical Specification, embedding manifests.
_C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")


def texts_of(data: bytes) -> list[tuple[str, str]]:
    """Texts by name, as ``PNG parameters`` or ``JPEG comment``, at most ``_MAX_TEXTS``."""
    found: list[tuple[str, str]] = []
    if data.startswith(_PNG):
        for kind, body in _png_chunks(data):
            if (text := _png_text(kind, body)) is not None and len(found) < _MAX_TEXTS:
                found.append(text)
    elif data.startswith(_JPEG):
        for marker, body in _jpeg_segments(data):
            if len(found) >= _MAX_TEXTS:
                break
            if marker == _COMMENT:
                found.append(("JPEG comment", body.decode("utf-8", errors="replace")))
            elif marker == _APP13:
                # IPTC records are short texts between a few bytes of structure.
                found.append(("IPTC", body.decode("latin-1")))
    return found


def xmp_of(data: bytes) -> str:
    """The XMP packet, empty where there is none."""
    if data.startswith(_PNG):
        for kind, body in _png_chunks(data):
            if kind == b"iTXt" and body.startswith(b"XML:com.adobe.xmp\0"):
                text = _png_text(kind, body)
                return text[1] if text else ""
        return ""
    start = data.find(b"<x:xmpmeta")
    if start < 0:
        return ""
    packet = _XMP.match(data, start)
    return packet.group().decode("utf-8", errors="replace") if packet else ""


def content_credentials(data: bytes) -> bytes | None:
    """The C2PA manifest (JUMBF boxes), as far as ``_MAX_TEXT``, neither parsed nor verified.

    None where there is none.
    """
    if data.startswith(_PNG):
        parts = [body for kind, body in _png_chunks(data) if kind == b"caBX"]
    elif data.startswith(_JPEG):
        segments = (body for marker, body in _jpeg_segments(data) if marker == _APP11)
        parts = [body for body in segments if body.startswith(b"JP")]
        if not any(b"jumb" in body[:64] for body in parts):
            return None
    elif data.startswith(b"RIFF"):
        parts = [body for kind, body in _riff_chunks(data) if kind == b"C2PA"]
    elif data[4:8] in (b"ftyp", b"jP  "):  # AVIF, HEIF, JPEG 2000
        place = data.find(b"uuid" + _C2PA_UUID)
        parts = [data[place : place + _MAX_TEXT]] if place >= 0 else []
    else:
        return None
    return b"".join(parts)[:_MAX_TEXT] if parts else None


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(_PNG)
    for _ in range(_MAX_CHUNKS):
        head = data[place : place + 8]
        if len(head) < 8:
            return
        length, kind = struct.unpack(">I4s", head)
        # Pixels are most of a file: they are stepped over, not copied.
        body = b"" if kind == b"IDAT" else data[place + 8 : place + 8 + min(length, _MAX_TEXT)]
        yield kind, body
        place += 12 + length


def _png_text(kind: bytes, body: bytes) -> tuple[str, str] | None:
    """A text chunk's name and text; PNG specification, third edition, section 11.3.3."""
    if kind not in (b"tEXt", b"zTXt", b"iTXt"):
        return None
    name, _, rest = body.partition(b"\0")
    encoding = "latin-1"
    if kind == b"zTXt":
        rest = _inflated(rest[1:])
    elif kind == b"iTXt":
        # The text comes after a language and a translated keyword.
        text = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
        rest = _inflated(text) if rest[:1] == b"\1" else text
        encoding = "utf-8"
    shown = "".join(c if c.isprintable() else " " for c in name[:79].decode("latin-1"))
    # Many programs write UTF-8 where the specification says Latin-1.
    with contextlib.suppress(UnicodeDecodeError):
        return f"PNG {shown}", rest.decode("utf-8")
    return f"PNG {shown}", rest.decode(encoding, errors="replace")


def _inflated(compressed: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(compressed, _MAX_TEXT)
    except zlib.error:
        return b""


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and content of the segments before the first scan."""
    place = 2
    for _ in range(_MAX_CHUNKS):
        head = data[place : place + 4]
        if len(head) < 4 or head[0] != 0xFF or head[1] == _SCAN:
            return
        if head[1] == 0xFF:  # a fill byte
            place += 1
            continue
        length = struct.unpack(">H", head[2:])[0]
        yield head[1], data[place + 4 : place + 2 + length]
        place += 2 + max(2, length)


def _riff_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = 12
    for _ in range(_MAX_CHUNKS):
        head = data[place : place + 8]
        if len(head) < 8:
            return
        kind, length = struct.unpack("<4sI", head)
        yield kind, b"" if kind.startswith(b"VP8") else data[place + 8 : place + 8 + length]
        place += 8 + length + length % 2
