"""The texts of a PNG file, of all three kinds, and the profiles that ImageMagick hides in them."""

import binascii
import contextlib
import zlib

from input_pipeline.provenance.containers import MAX_BYTES, Part


def png_text(part: Part) -> tuple[str, str] | None:
    """A text chunk's keyword and text; PNG specification, third edition, section 11.3.3."""
    kind, body = part
    if kind not in (b"tEXt", b"zTXt", b"iTXt"):
        return None
    name, _, rest = body.partition(b"\0")
    if kind == b"zTXt":
        rest = _inflated(rest[1:])
    elif kind == b"iTXt":
        # The text comes after a language and a translated keyword.
        text = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
        rest = _inflated(text) if rest[:1] == b"\1" else text
    shown = "".join(c if c.isprintable() else " " for c in name[:79].decode("latin-1"))
    # Many programs write UTF-8 where the specification says Latin-1.
    with contextlib.suppress(UnicodeDecodeError):
        return shown, rest.decode("utf-8")
    return shown, rest.decode("utf-8" if kind == b"iTXt" else "latin-1", errors="replace")


def raw_profile(text: str) -> bytes:
    """The bytes of a text ``Raw profile type ...``: lines of a name, a number, digits."""
    lines = text.lstrip().split("\n", 2)
    if len(lines) < 3 or not lines[1].strip().isdigit():
        return b""
    digits = "".join(lines[2].split())
    with contextlib.suppress(ValueError):  # binascii.Error is one
        return binascii.unhexlify(digits[: len(digits) // 2 * 2])
    return b""


def _inflated(compressed: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(compressed, MAX_BYTES)
    except zlib.error:
        return b""
