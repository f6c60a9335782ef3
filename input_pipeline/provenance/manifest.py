"""Content Credentials (C2PA) as far as they can be read without checking a signature.

What a manifest's CBOR says of programs and sources is found by its keys: a text of CBOR has its
length before it, so that names begin and end where they do. Nothing is verified.
"""

from collections.abc import Iterator

from input_pipeline.provenance.containers import APP11, JPEG, PNG, Layout, is_iso_media

# The type of C2PA's box in ISO media files: C2PA Technical Specification, embedding manifests.
_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
# How a manifest begins in HEIF, AVIF and JPEG 2000; and bare, in TIFF and JPEG XL.
_STARTS = (b"uuid" + _UUID, b"jumdc2pa\0\x11\0\x10\x80\0\0\xaa\0\x38\x9b\x71")
_MAX_BYTES = 2_000_000
_KEYS = ("claim_generator", "claim_generator_info", "softwareAgent", "digitalSourceType")
_MAX_TEXTS = 200
_IN_MAP = 40  # bytes after the start of a map in which its name is looked for
_TEXT, _LONG, _LONGER = 0x60, 0x78, 0x79  # CBOR, RFC 8949: texts by the length of their length


def find_manifest(data: bytes, layout: Layout) -> bytes:
    """The manifest store's boxes (JUMBF), neither parsed nor verified; empty where none is."""
    if data.startswith(PNG):
        parts = [body for kind, body in layout.parts if kind == b"caBX"]
    elif data.startswith(JPEG):
        parts = [_joined(layout)]
    elif data.startswith(b"RIFF"):
        parts = [body for kind, body in layout.parts if kind == b"C2PA"]
    elif data.startswith(b"GIF"):
        parts = [body for kind, body in layout.parts if body.startswith(b"C2PA_GIF")]
    elif is_iso_media(data) or data[:4] in (b"II*\0", b"MM\0*"):
        places = (data.find(start) for start in _STARTS)
        parts = [data[place : place + _MAX_BYTES] for place in places if place >= 0][:1]
    else:
        parts = []
    return b"".join(parts)[:_MAX_BYTES]


def _joined(layout: Layout) -> bytes:
    """The content of JPEG's segments: JPEG XT's header of each but the first is left out.

    Letters, instance, sequence number, and, after the first, the box's length and type again.
    """
    bodies = [b for kind, b in layout.parts if kind[0] == APP11 and b.startswith(b"JP")]
    if not any(b"jumb" in body[:64] for body in bodies):
        return b""
    first = True
    joined = []
    for body in bodies:
        joined.append(body[8:] if first else body[16:])
        first = False
    return b"".join(joined)


def manifest_texts(manifest: bytes) -> Iterator[tuple[str, str]]:
    """Key and text of what names a program or a source, in all manifests of the store."""
    found = 0
    for key in _KEYS:
        coded = key.encode()
        head = bytes([_TEXT + len(coded)]) if len(coded) < 24 else bytes([_LONG, len(coded)])
        place = manifest.find(head + coded)
        while place >= 0 and found < _MAX_TEXTS:
            place += len(head) + len(coded)
            if text := _value(manifest, place):
                found += 1
                yield key, text
            place = manifest.find(head + coded, place)


def _value(data: bytes, place: int) -> str:
    """The text that begins at a place, or that of ``name`` in the map, or array of maps, there."""
    if text := _text(data, place):
        return text
    name = data.find(b"\x64name", place, place + _IN_MAP)
    return _text(data, name + 5) if name >= 0 else ""


def _text(data: bytes, place: int) -> str:
    kind = data[place] if place < len(data) else 0
    if _TEXT <= kind < _LONG:
        start, length = place + 1, kind - _TEXT
    elif kind == _LONG:
        start, length = place + 2, int.from_bytes(data[place + 1 : place + 2], "big")
    elif kind == _LONGER:
        start, length = place + 3, int.from_bytes(data[place + 1 : place + 3], "big")
    else:
        return ""
    return data[start : start + length].decode("utf-8", errors="replace")
