"""Content Credentials (C2PA) as far as they can be read without checking a signature.

What its boxes say of programs and sources is read, wherever in them it stands; what they say of a
picture that was put into this one is told apart. Nothing is verified.
"""

import contextlib
import json
import struct
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from input_pipeline.provenance import cbor
from input_pipeline.provenance.containers import APP11, JPEG, PNG, Layout, is_iso_media

# The type of C2PA's box in ISO media files: C2PA Technical Specification, embedding manifests.
_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
# How a manifest begins in HEIF, AVIF and JPEG 2000; and bare, in TIFF and JPEG XL.
_STARTS = (b"uuid" + _UUID, b"jumdc2pa\0\x11\0\x10\x80\0\0\xaa\0\x38\x9b\x71")
_MAX_BYTES = 2_000_000
_LABEL = 25  # within a superbox's content: head of its description, type, flags
COMPONENT = "component "
_STORE, _BEFORE = _STARTS[1], 12  # within a superbox: its head, and the size of its description
_KEYS = {
    key.lower(): key
    for key in ("claim_generator", "claim_generator_info", "softwareAgent", "digitalSourceType")
}
_MAX_TEXTS = 200
_DEEPEST = 10  # boxes within each other
_DEEPEST_VALUE = 64  # lists and maps within each other; JSON may have thousands
_READERS: dict[bytes, Callable[[bytes], Any]] = {b"cbor": cbor.decode, b"json": json.loads}


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
    """Key and text of what names a program or a source, in all manifests of the store.

    Keys begin with `COMPONENT` in manifests of pictures that only were put into this one.
    """
    start = manifest.find(_STORE)
    if start < 0:
        return
    manifests: dict[bytes, list[Any]] = {}
    store = next(_boxes(manifest, start - _BEFORE, len(manifest)), (b"", 0, 0))
    for kind, body, after in _boxes(manifest, *store[1:]):
        if kind == b"jumb":
            label = manifest[body + _LABEL : after].partition(b"\0")[0]
            manifests.setdefault(label, []).extend(_contents(manifest, body, after, 0))
    components = _components(manifests)
    found = (
        (COMPONENT + key if label in components else key, text)
        for label, contents in manifests.items()
        for content in contents
        for key, text in _texts(content)
    )
    yield from islice(found, _MAX_TEXTS)


def _components(manifests: Mapping[bytes, list[Any]]) -> set[bytes]:
    """The manifests to which the last, the picture's own, leads by no line of parents.

    What is a picture's only ingredient is its parent, whatever it is called: ChatGPT calls it a
    component.
    """
    related = {label: list(_related(contents)) for label, contents in manifests.items()}
    own, waiting = set[bytes](), list(manifests)[-1:]
    while waiting:
        label = waiting.pop()
        if label not in own:
            own.add(label)
            made_of = related.get(label, [])
            waiting += [
                other
                for other, relation in made_of
                if relation == "parentOf" or (relation == "componentOf" and len(made_of) == 1)
            ]
    put_in, waiting = set[bytes](), [other for made_of in related.values() for other, _ in made_of]
    while waiting:
        label = waiting.pop()
        if label not in put_in | own:
            put_in.add(label)
            waiting += [other for other, _ in related.get(label, [])]
    return put_in


def _related(contents: list[Any]) -> Iterator[tuple[bytes, str]]:
    """Of each ingredient its manifest's label, empty without one, and how it is related."""
    for content in contents:
        relation = content.get("relationship") if isinstance(content, dict) else None
        if isinstance(relation, str):
            link = content.get("activeManifest") or content.get("c2pa_manifest")
            address = link.get("url") if isinstance(link, dict) else link
            label = address.rpartition("/")[2] if isinstance(address, str) else ""
            yield label.encode("utf-8", "replace"), relation


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, beginning and end of each box's content (JUMBF, ISO 19566-5) between two places."""
    while start >= 0 and start + 8 <= end:
        length, kind = struct.unpack_from(">I4s", data, start)
        body = start + 8
        if length == 1:
            length, body = int.from_bytes(data[body : body + 8], "big"), body + 8
        after = min(end, start + length) if length else end
        yield kind, body, after
        if after <= body:
            return
        start = after


def _contents(data: bytes, start: int, end: int, depth: int) -> Iterator[Any]:
    """What the boxes between two places hold as CBOR or JSON."""
    for kind, body, after in _boxes(data, start, end) if depth < _DEEPEST else ():
        if kind == b"jumb":
            yield from _contents(data, body, after, depth + 1)
        elif kind in _READERS:
            with contextlib.suppress(ValueError, RecursionError):
                yield _READERS[kind](data[body:after])


def _texts(value: Any, depth: int = 0) -> Iterator[tuple[str, str]]:
    if depth > _DEEPEST_VALUE:
        return
    if isinstance(value, list):
        for item in value:
            yield from _texts(item, depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            # JSON's keys have prefixes, as Iptc4xmpExt:DigitalSourceType.
            known = _KEYS.get(key.rpartition(":")[2].lower()) if isinstance(key, str) else None
            if known:
                yield from ((known, text) for text in _names(item))
            yield from _texts(item, depth + 1)


def _names(value: Any, depth: int = 0) -> Iterator[str]:
    """A text, or the name of a program that is described by a map, or by maps in a list."""
    if depth > _DEEPEST_VALUE:
        return
    if isinstance(value, str) and value:
        yield value
    elif isinstance(value, dict):
        yield from _names(value.get("name"), depth + 1)
    elif isinstance(value, list):
        for item in value:
            yield from _names(item, depth + 1)
