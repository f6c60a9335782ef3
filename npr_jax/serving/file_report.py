"""What a picture's file says of itself, and where that names a generator. Nothing is decoded.

Such words can be forged and are mostly lost on the way: they never change a score, and their
absence means nothing.
"""

import io
import re
from collections.abc import Iterator
from typing import Any

from PIL import ExifTags, Image

from input_pipeline.images.codecs import PILLOW_ERRORS
from input_pipeline.images.metadata import read_facts
from npr_jax.serving.embedded_text import content_credentials, texts_of, xmp_of
from npr_jax.serving.schema import FactsAnswer, HintAnswer

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
    texts = [*_exif_texts(data), *texts_of(data)]
    xmp = xmp_of(data)
    source_type = _SOURCE_TYPE.search(xmp)
    credentials = content_credentials(data)
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
