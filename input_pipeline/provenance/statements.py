"""Everything that a file says in words: names of fields and their texts, whatever carries them."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from input_pipeline.provenance.containers import (
    APP1,
    APP13,
    COMMENT,
    JPEG,
    PNG,
    Layout,
    bytes_after_end,
    is_iso_media,
)
from input_pipeline.provenance.exif import (
    HEADERS,
    IPTC_TAG,
    PHOTOSHOP_TAG,
    XMP_TAG,
    exif_fields,
    exif_texts,
)
from input_pipeline.provenance.iptc import IIM_RESOURCE, iim_texts, photoshop_resources
from input_pipeline.provenance.manifest import manifest_texts
from input_pipeline.provenance.png_texts import png_text, raw_profile
from input_pipeline.provenance.xmp import PACKET_START, WIDE_START, xmp_properties

AFTER_THE_END = "after the end"
MAX_SEARCHED = 200_000  # characters of one text
_MAX_STATEMENTS = 2_000
_MAX_WORDED = 100  # chunks of a PNG, each of which may expand to `MAX_BYTES`
_WORDED = frozenset([b"tEXt", b"zTXt", b"iTXt", b"eXIf"])
_MAX_CARRIED = 20  # blocks of Exif, packets of XMP, resources of Photoshop's, of each
_MAX_CHARACTERS = 1_000_000  # of all texts
_EXIF, _EXTENDED, _PHOTOSHOP = (
    b"Exif\0\0",
    b"http://ns.adobe.com/xmp/extension/\0",
    b"Photoshop 3.0\0",
)
_EXTENDED_HEAD = len(_EXTENDED) + 32 + 8  # and a digest, length and place
_NAMESPACE = b"22-rdf-syntax-ns#"  # faster to find in a large file than the packet's beginning
_TIFF_STARTS = (b"II*\0", b"MM\0*")
_RAW_PROFILE = re.compile(r"raw profile type (\w+)", re.IGNORECASE)


class Statement(NamedTuple):
    """A field and what it says."""

    field: str  # such as ``EXIF Software``
    text: str


def statements(data: bytes, layout: Layout, manifest: bytes) -> list[Statement]:
    """All of a file, as far as the limits above allow.

    Args:
      data: the file.
      layout: its parts.
      manifest: its Content Credentials.
    """
    found: list[Statement] = []
    room = _MAX_CHARACTERS
    for field, text in islice(_all(data, layout, manifest), _MAX_STATEMENTS):
        kept = text[: min(MAX_SEARCHED, room)]
        room -= len(kept)
        if kept:
            found.append(Statement(field, kept))
        if not room:
            break
    return found


def _all(data: bytes, layout: Layout, manifest: bytes) -> Iterator[tuple[str, str]]:
    blocks: list[bytes] = []  # TIFF's, which Exif is
    packets: list[bytes] = []  # XMP
    resources: list[bytes] = []  # Photoshop's
    yield from _carried(data, layout, blocks, packets, resources)
    for block in blocks[:_MAX_CARRIED]:
        for name, text in exif_texts(block):
            yield f"EXIF {name}", text
        for tag, value, _ in exif_fields(block):
            if tag == XMP_TAG:
                packets.append(value)
            elif tag == PHOTOSHOP_TAG:
                resources.append(value)
            elif tag == IPTC_TAG:
                yield from (("IPTC " + name, text) for name, text in iim_texts(value))
    for resource in resources[:_MAX_CARRIED]:
        for number, content in photoshop_resources(resource):
            if number == IIM_RESOURCE:
                yield from (("IPTC " + name, text) for name, text in iim_texts(content))
    for packet in packets[:_MAX_CARRIED]:
        yield from (("XMP " + name, text) for name, text in xmp_properties(packet))
    yield from (("C2PA " + key, text) for key, text in manifest_texts(manifest))
    after = bytes_after_end(data, layout)
    if after:
        yield AFTER_THE_END, after[:MAX_SEARCHED].decode("latin-1")


def _carried(
    data: bytes,
    layout: Layout,
    blocks: list[bytes],
    packets: list[bytes],
    resources: list[bytes],
) -> Iterator[tuple[str, str]]:
    """Texts of the container itself; what lies in it is added to the lists."""
    if data.startswith(PNG):
        yield from _of_png(layout, blocks, packets, resources)
    elif data.startswith(JPEG):
        yield from _of_jpeg(layout, blocks, packets, resources)
    elif data.startswith(b"RIFF"):
        blocks += [body.removeprefix(_EXIF) for kind, body in layout.parts if kind == b"EXIF"]
        packets += [body for kind, body in layout.parts if kind == b"XMP "]
    elif data.startswith(b"GIF"):
        for kind, body in layout.parts:
            if kind == b"\xfe":
                yield "GIF comment", body.decode("utf-8", errors="replace")
            elif body.startswith(b"XMP DataXMP"):
                packets.append(body)
    elif data.startswith(_TIFF_STARTS):
        blocks.append(data)
    elif is_iso_media(data):
        blocks += [data[place:] for head in HEADERS if (place := data.find(head)) >= 0]
        packets += _packets_in(data) if _NAMESPACE in data else []


def _of_png(
    layout: Layout, blocks: list[bytes], packets: list[bytes], resources: list[bytes]
) -> Iterator[tuple[str, str]]:
    worded = (part for part in layout.parts if part.kind in _WORDED)
    for part in islice(worded, _MAX_WORDED):
        if part.kind == b"eXIf":
            blocks.append(part.body.removeprefix(_EXIF))
        elif (named := png_text(part)) is not None:
            keyword, text = named
            profile = _RAW_PROFILE.fullmatch(keyword)
            if keyword == "XML:com.adobe.xmp":
                packets.append(text.encode())
            elif profile is None:
                yield f"PNG {keyword}", text
            elif (body := raw_profile(text)) and profile[1].lower() in ("exif", "app1", "xmp"):
                (packets if _packets_in(body) else blocks).append(body.removeprefix(_EXIF))
            elif body:
                resources.append(body)


def _of_jpeg(
    layout: Layout, blocks: list[bytes], packets: list[bytes], resources: list[bytes]
) -> Iterator[tuple[str, str]]:
    extended: list[bytes] = []
    photoshop: list[bytes] = []
    continues = False  # whether the segment before this one was Exif's
    for kind, body in layout.parts:
        is_exif = kind[0] == APP1 and body.startswith(_EXIF)
        if is_exif:
            block = body[len(_EXIF) :]
            if continues and not block.startswith(_TIFF_STARTS):
                blocks[-1] += block
            else:
                blocks.append(block)
        elif kind[0] == APP1 and body.startswith(_EXTENDED):
            extended.append(body[_EXTENDED_HEAD:])
        elif kind[0] == APP13:
            photoshop.append(body.removeprefix(_PHOTOSHOP))
        elif kind[0] == COMMENT:
            yield "JPEG comment", body.decode("utf-8", errors="replace")
        elif 0xE0 <= kind[0] <= 0xEF:
            packets += _packets_in(body)
        continues = is_exif
    packets += [b"".join(extended)] if extended else []
    resources += [b"".join(photoshop)] if photoshop else []


def _packets_in(body: bytes) -> list[bytes]:
    found = PACKET_START.search(body) or WIDE_START.search(body[:200])
    return [body[found.start() :]] if found else []
