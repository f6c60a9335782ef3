"""The parts of a picture's file that are not pixels: chunks, segments, boxes, and what comes after.

Every walk is bounded and reads past damage as far as it can; nothing here raises.
"""

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
APP1, APP11, APP13, COMMENT = 0xE1, 0xEB, 0xED, 0xFE
MAX_BYTES = 2_000_000  # of one part, expanded
_MAX_PARTS = 10_000  # of one file; a PNG has a few, a large one thousands of IDAT
_SCAN, _END = 0xDA, 0xD9
# Of the bytes FF in a scan those that begin a marker: neither stuffed nor a restart.
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_RESTARTS_AND_STARTS = range(0xD0, 0xD9)  # markers without a length


class Part(NamedTuple):
    """A piece of a file."""

    kind: bytes  # PNG or RIFF: the chunk's four letters; JPEG: the marker's second byte
    body: bytes  # up to `MAX_BYTES`; empty for pixels


class Layout(NamedTuple):
    """A file taken apart."""

    parts: tuple[Part, ...]
    end: int | None  # where the picture ends; None where that is not known


def take_apart(data: bytes) -> Layout:
    """The parts of a PNG, JPEG, RIFF (WebP) or GIF file, in order; of other files none."""
    if data.startswith(PNG):
        return _png(data)
    if data.startswith(JPEG):
        return _jpeg(data)
    if data.startswith(b"RIFF"):
        return _riff(data)
    if data.startswith((b"GIF87a", b"GIF89a")):
        return _gif(data)
    return Layout((), None)


def is_iso_media(data: bytes) -> bool:
    """Whether the file is made of boxes as HEIF, AVIF, JPEG 2000 and JPEG XL containers are."""
    return data[4:8] in (b"ftyp", b"jP  ", b"JXL ")


def bytes_after_end(data: bytes, layout: Layout) -> bytes:
    """What follows the picture's end, empty where nothing does or the end is not known.

    Zeros that fill up a file are nothing.
    """
    rest = b"" if layout.end is None else data[layout.end :]
    return rest if rest.strip(b"\0") else b""


def _png(data: bytes) -> Layout:
    parts, place = [], len(PNG)
    for _ in range(_MAX_PARTS):
        head = data[place : place + 8]
        if len(head) < 8:
            break
        length, kind = struct.unpack(">I4s", head)
        # Pixels are most of a file: they are stepped over, not copied.
        body = b"" if kind == b"IDAT" else data[place + 8 : place + 8 + min(length, MAX_BYTES)]
        parts.append(Part(kind, body))
        place += 12 + length
        if kind == b"IEND":
            return Layout(tuple(parts), place)
    return Layout(tuple(parts), None)


def _jpeg(data: bytes) -> Layout:
    parts: list[Part] = []
    place = 2
    for _ in range(_MAX_PARTS):
        found = _MARKER.search(data, place)
        if found is None:
            break
        marker, place = data[found.start() + 1], found.end()
        if marker == _END:
            return Layout(tuple(parts), place)
        if marker in _RESTARTS_AND_STARTS or marker == 1:
            continue
        length = int.from_bytes(data[place : place + 2], "big")
        if marker != _SCAN:
            parts.append(Part(bytes([marker]), data[place + 2 : place + length]))
        place += max(2, length)
    return Layout(tuple(parts), None)


def _riff(data: bytes) -> Layout:
    parts, place = [], 12
    end = 8 + int.from_bytes(data[4:8], "little")
    for _ in range(_MAX_PARTS):
        head = data[place : place + 8]
        if len(head) < 8:
            break
        kind, length = struct.unpack("<4sI", head)
        pixels = kind.startswith((b"VP8", b"ALPH", b"ANMF"))
        body = b"" if pixels else data[place + 8 : place + 8 + min(length, MAX_BYTES)]
        parts.append(Part(kind, body))
        place += 8 + length + length % 2
    return Layout(tuple(parts), end + end % 2)


def _gif(data: bytes) -> Layout:
    """Comments as ``b"\\xfe"``, application extensions as ``b"\\xff"``.

    XMP is written without blocks, and ends so that those who expect blocks find their end.
    """
    parts: list[Part] = []
    place = 13 + _colours(data[10:11])
    for _ in range(_MAX_PARTS):
        kind = data[place : place + 1]
        if kind == b";":
            return Layout(tuple(parts), place + 1)
        if kind == b",":
            place += 11 + _colours(data[place + 9 : place + 10])
            place += sum(1 + len(block) for block in _blocks(data, place)) + 1
        elif kind == b"!":
            label, place = data[place + 1 : place + 2], place + 2
            blocks = list(_blocks(data, place))
            end = place + sum(map(len, blocks)) + len(blocks) + 1
            if label in (b"\xfe", b"\xff"):
                is_xmp = blocks[:1] == [b"XMP DataXMP"]
                parts.append(Part(label, data[place + 1 : end] if is_xmp else b"".join(blocks)))
            place = end
        else:
            break
    return Layout(tuple(parts), None)


def _colours(flags: bytes) -> int:
    """Bytes of a GIF's colour table."""
    return 3 << ((flags[0] & 7) + 1) if flags and flags[0] & 0x80 else 0


def _blocks(data: bytes, place: int) -> Iterator[bytes]:
    while place < len(data) and (length := data[place]):
        yield data[place + 1 : place + 1 + length]
        place += 1 + length
