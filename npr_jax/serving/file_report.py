"""What a picture's file says of itself, and where that names a generator. Nothing is decoded.

Such words can be forged and are mostly lost on the way: they never change a score, and their
absence means nothing.
"""

import contextlib
import io
import re
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from PIL import ExifTags, Image

from input_pipeline.images.codecs import PILLOW_ERRORS
from input_pipeline.images.metadata import read_facts
from npr_jax.serving.schema import FactsAnswer, HintAnswer

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_MAX_CHUNKS = 10_000  # of one file; a PNG has a few, a large one thousands of IDAT
_MAX_TEXT = 2_000_000  # bytes of one text, expanded
_MAX_TEXTS = 50
_XMP = re.compile(rb"<x:xmpmeta.{0,1000000}?</x:xmpmeta>", re.DOTALL)
_APP1, _APP11, _APP13, _COMMENT, _SCAN = 0xE1, 0xEB, 0xED, 0xFE, 0xDA
# The type of C2PA's box in ISO media files: C2PA Technical Specification, embedding manifests.
_C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
MAX_SHOWN = 300  # characters of one text
_MAX_SEARCHED = 100_000  # characters of one text
_MAX_HINTS = 12

_EXIF_NAMES = ("Make", "Model", "Software", "ImageDescription", "Artist", "DateTime")

# Generators by what their own metadata writes, whole words, whatever the case.
_NAMES = (
    r"midjourney|dall[-·. ]?e(?:[- ]?[23])?|openai|chatgpt|gpt-4o|gpt-image",
    "stable[- _]?diffusion|sdxl|comfyui|automatic1111|invokeai|novelai|dreamstudio|stability ?ai",
    # Alone, imagen is Spanish for picture, and Gemini, Flux and Firefly are words like others.
    "adobe firefly|google imagen|imagen ?[234]|(?:made with )?google ai|google gemini",
    "gemini ?[123]|nano[- ]?banana|grok",
    r"flux\.1|black forest labs|ideogram|leonardo\.ai|recraft|bing image creator",
    "microsoft designer|meta ai|imagined with ai|craiyon|seedream|qwen-image|hunyuan",
    "ai[- ]generated",
)
_GENERATOR = re.compile(rf"(?<![a-z0-9])(?:{'|'.join(_NAMES)})(?![a-z0-9])", re.IGNORECASE)
# IPTC's vocabulary of digital source types: https://cv.iptc.org/newscodes/digitalsourcetype/
_SOURCE_TYPE = re.compile(
    r"(trainedAlgorithmicMedia|compositeWithTrainedAlgorithmicMedia|algorithmicMedia"
    r"|compositeSynthetic|digitalCapture)\b"
)
_GENERATED_SOURCES = {
    "trainedAlgorithmicMedia": "made by a generator",
    "compositeWithTrainedAlgorithmicMedia": "partly made by a generator",
    "algorithmicMedia": "made by an algorithm",
    "compositeSynthetic": "composed with synthetic parts",
}
# PNG texts that only programs around generators write.
_GENERATOR_KEYS = {
    "parameters": "as Stable Diffusion programs write it",
    **dict.fromkeys(("prompt", "workflow"), "as ComfyUI writes it"),
    **dict.fromkeys(("invokeai_metadata", "sd-metadata", "dream"), "as InvokeAI writes it"),
}


def report_file(data: bytes) -> FactsAnswer | None:
    """What the file says; None where its header cannot be read. Damaged metadata is left out."""
    try:
        facts = read_facts(data)
    except (*PILLOW_ERRORS, Image.DecompressionBombError):
        return None
    texts = [*_exif_texts(data), *_texts_of(data)]
    xmp = _xmp_of(data)
    source_type = _SOURCE_TYPE.search(xmp)
    credentials = _content_credentials(data)
    fields = dict(texts)
    camera = " ".join(fields[key] for key in ("EXIF Make", "EXIF Model") if fields.get(key))
    return FactsAnswer(
        format=facts.format,
        width=facts.width,
        height=facts.height,
        num_bytes=facts.num_bytes,
        jpeg_quality=facts.quality,
        jpeg_standard_table=facts.standard_table,
        subsampling=facts.subsampling,
        camera=_shown(camera),
        software=_shown(fields.get("EXIF Software") or fields.get("PNG Software", "")),
        digital_source_type=source_type.group(1) if source_type else "",
        has_content_credentials=credentials is not None,
        generator_hints=tuple(_hints(texts, xmp, credentials or b"")),
        texts=tuple(dict.fromkeys(name for name, _ in texts)),
    )


def _hints(texts: list[tuple[str, str]], xmp: str, credentials: bytes) -> list[HintAnswer]:
    """By field; of fields of one name the first."""
    hints: dict[str, str] = {}
    for name, text in texts:
        how = _GENERATOR_KEYS.get(name.removeprefix("PNG ").lower())
        if how and name.startswith("PNG "):
            hints.setdefault(f"{name}, {how}", _shown(text))
        elif named := _GENERATOR.search(text[:_MAX_SEARCHED]):
            hints.setdefault(name, _around(text, named))
    if meaning := _generated_source(xmp):
        hints["IPTC digital source type"] = meaning
    if named := _GENERATOR.search(xmp):
        hints["XMP"] = _around(xmp, named)
    manifest = credentials.decode("latin-1")  # its CBOR keeps texts readable
    named = _GENERATOR.search(manifest)
    if inside := [*filter(None, (_generated_source(manifest), named and named.group()))]:
        hints["Content Credentials (C2PA), not verified"] = "; ".join(inside)
    return [HintAnswer(where=where, text=text) for where, text in hints.items()][:_MAX_HINTS]


def _generated_source(text: str) -> str:
    """The first IPTC digital source type in a text and what it means, if it is of a generator."""
    found = _SOURCE_TYPE.search(text)
    meaning = found and _GENERATED_SOURCES.get(found.group(1))
    return f"{found.group(1)} ({meaning})" if found and meaning else ""


def _exif_texts(data: bytes) -> Iterator[tuple[str, str]]:
    try:
        with Image.open(io.BytesIO(data)) as image:
            exif = image.getexif()
            found: dict[str, Any] = {name: exif.get(ExifTags.Base[name]) for name in _EXIF_NAMES}
            private = exif.get_ifd(ExifTags.IFD.Exif)
            found["UserComment"] = private.get(ExifTags.Base.UserComment)
    except (*PILLOW_ERRORS, Image.DecompressionBombError):
        return
    for name, value in found.items():
        if isinstance(value, bytes):
            # Eight bytes name the encoding; UTF-16 is told by its zero bytes.
            body = value[8:_MAX_SEARCHED]
            wide = "utf-16-be" if body[:1] == b"\0" else "utf-16-le"
            value = body.decode(wide if b"\0" in body[:2] else "utf-8", errors="replace")
        if isinstance(value, str) and value.strip("\0 "):
            yield f"EXIF {name}", value.strip("\0 ")


def _around(text: str, named: re.Match[str]) -> str:
    start = max(0, named.start() - MAX_SHOWN // 3)
    return _shown(("…" if start else "") + text[start : start + 2 * MAX_SHOWN])


def _shown(text: str) -> str:
    """On one line, printable and not too long."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * MAX_SHOWN]).split())
    return line if len(line) <= MAX_SHOWN else line[: MAX_SHOWN - 1] + "…"


def _texts_of(data: bytes) -> list[tuple[str, str]]:
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


def _xmp_of(data: bytes) -> str:
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


def _content_credentials(data: bytes) -> bytes | None:
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
