"""Pixels of PNG and JPEG files from libraries that are faster than Pillow and give the same bytes.

Pillow is the reference: it reads the header, and whatever is not listed here, whatever a library
here refuses or warns about, and everything where a library is not installed, Pillow decodes too.
So the pixels are Pillow's on every machine, and the same files count as damaged; the tests compare
both on every kind of file and on thousands of damaged ones. Both libraries let other Python threads
run while they decode.

PNG goes to libspng (with zlib-ng, by way of imagecodecs), JPEG to libjpeg-turbo (by way of
simplejpeg), which Pillow has as well, but feeds in small steps and copies the pixels out of twice.
"""

import io
import struct
import zlib
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, features

from input_pipeline.images.plugins import open_as
from input_pipeline.images.rgb import on_ground

# What Pillow's decoders raise on damaged files, collected by mutating files of every format here:
# they are parsers written for well-formed input and fail wherever the damage leads them.
PILLOW_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
    MemoryError,
    Warning,  # where the interpreter turns warnings into errors
    struct.error,
    zlib.error,
)
# SpngError is a RuntimeError; an imagecodecs built without a codec raises an ImportError.
_LIBRARY_ERRORS = (ValueError, RuntimeError, MemoryError, ImportError)

_HEADER_BYTES = 4096
_PNG_START, _PNG_PIXELS = b"\x89PNG\r\n\x1a\n", b"IDAT"
# Samples per pixel of the colour types grey, RGB and RGBA.
_PNG_SAMPLES = {0: 1, 2: 3, 6: 4}
# Chunks with which a PNG is not simply its rows: a transparent colour, an animation.
_PNG_OTHER_KINDS = frozenset([b"tRNS", b"acTL", b"fcTL", b"fdAT"])
_JPEG_START, _JPEG_SCAN = b"\xff\xd8", b"\xff\xda"
# Sampling factors of Y where those of Cb and Cr are 1 x 1: 4:4:4, 4:2:2, 4:2:0, 4:4:0, 4:1:1.
_JPEG_SAMPLING = frozenset([(1, 1), (2, 1), (2, 2), (1, 2), (4, 1)])


class Layout(NamedTuple):
    """What a faster library needs to know of a file that it decodes as Pillow does."""

    format: str  # 'PNG' or 'JPEG'
    size: tuple[int, int]  # (width, height) in pixels
    samples: int  # per pixel, as the library delivers them: 1 (grey), 3 (RGB) or 4 (RGB and alpha)
    is_progressive: bool = False  # a JPEG in several scans


def known_layout(data: bytes | memoryview) -> Layout | None:
    """Returns the layout of a file that begins like one before it, without opening it again.

    The files of one program mostly have one and the same header. To read that, Pillow takes up to a
    tenth as long as the pixels take to decode, while no other Python thread can run.

    Returns:
      What `layout_of` gives for the opened file, or None: let Pillow open it.
    """
    head = bytes(data[:_HEADER_BYTES])
    if head.startswith(_JPEG_START):
        scan = head.find(_JPEG_SCAN)
        stop = scan + 2 + int.from_bytes(head[scan + 2 : scan + 4], "big")
        return _layout_of_header(head[:stop]) if scan >= 0 else None
    if head.startswith(_PNG_START):
        stop = head.find(_PNG_PIXELS) + len(_PNG_PIXELS)
        layout = _layout_of_header(head[:stop]) if stop >= len(_PNG_PIXELS) else None
        return layout if layout is not None and _ends_after_pixels(data) else None
    return None


def is_lossy(data: bytes | memoryview) -> bool:
    """Whether a file is of a format that loses detail: JPEG, WebP, AVIF, HEIF, JPEG 2000.

    Judged by its first bytes; WebP's lossless kind (VP8L) is told apart.
    """
    head = bytes(data[:16])
    webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP" and head[12:16] != b"VP8L"
    return head[:2] == b"\xff\xd8" or webp or head[4:8] in (b"ftyp", b"jP  ")


def layout_of(image: Image.Image, data: bytes | memoryview) -> Layout | None:
    """Tells how a faster library decodes a file, opened as `image`, to the same pixels.

    Returns None where Pillow has to decode it.
    """
    layout = _layout(image, data)
    if layout is not None and layout.format == "PNG" and not _ends_after_pixels(data):
        return None
    return layout


def fast_pixels(
    layout: Layout, data: bytes | memoryview, out: np.ndarray | None = None
) -> np.ndarray | None:
    """Decodes the bytes of a file with this layout by the library for its format.

    Args:
      layout: of this file.
      data: its bytes.
      out: contiguous uint8 [h, w, 3] that may be used for the result; it is used if it has the
        shape of the image, and may hold anything if the result is None.

    Returns:
      uint8 [h, w, 3] RGB as `transforms.decode` defines it, or None: let Pillow decode.
    """
    decoder = _png_decoder() if layout.format == "PNG" else _jpeg_decoder()
    if decoder is None:
        return None
    width, height = layout.size
    shape = (height, width, layout.samples)[: 3 if layout.samples > 1 else 2]
    # The libraries decode into memory of the size that Pillow read, and refuse a larger image.
    if out is None or out.shape != shape:
        out = np.empty(shape, np.uint8)
    try:
        pixels = decoder(data, out)
    except _LIBRARY_ERRORS:
        return None
    if pixels.shape != shape:
        return None
    if layout.samples == 1:
        return np.repeat(pixels[:, :, None], 3, axis=2)
    # JPEG libraries return another view of `out`.
    return out if layout.samples == 3 else on_ground(pixels)


@cache
def _png_decoder() -> Callable[[Any, np.ndarray], np.ndarray] | None:
    try:
        from imagecodecs import spng_decode
    except ImportError:
        return None
    return lambda data, out: spng_decode(data, out=out)


@cache
def _jpeg_decoder() -> Callable[[Any, np.ndarray], np.ndarray] | None:
    try:
        from simplejpeg import decode_jpeg
    except ImportError:
        return None
    if not features.check_feature("libjpeg_turbo"):
        return None  # A Pillow with another JPEG library has other pixels.
    return lambda data, out: decode_jpeg(data, "RGB", buffer=out, strict=True)


@lru_cache(maxsize=256)
def _layout_of_header(head: bytes) -> Layout | None:
    """Returns the layout of files that begin so; None also if Pillow reads on after that."""
    file = io.BytesIO(head)
    try:
        image = open_as(file, ["PNG", "JPEG"])
    except PILLOW_ERRORS:
        return None
    return _layout(image, head) if file.tell() == len(head) else None


def _layout(image: Image.Image, head: bytes | memoryview) -> Layout | None:
    """Returns the layout as far as the header tells: all of it for JPEG."""
    if image.format == "PNG":
        samples = _png_samples(bytes(head[:29]))
        return Layout("PNG", image.size, samples) if samples else None
    if image.format in ("JPEG", "MPO"):  # of several pictures the first: a JPEG
        samples = _jpeg_samples(image)
        return Layout("JPEG", image.size, samples, "progressive" in image.info) if samples else None
    return None


def _png_samples(head: bytes) -> int:
    """Returns the samples per pixel of a PNG of 8 bits in plain rows; 0 if it is another kind."""
    plain = len(head) == 29 and head[12:16] == b"IHDR" and head[24] == 8 and not head[28]
    return _PNG_SAMPLES.get(head[25], 0) if plain else 0


def _ends_after_pixels(data: bytes | memoryview) -> bool:
    """Tells whether nothing but IEND follows the pixels of a PNG, and nothing alters them.

    Nor is the last checksum of the pixels wrong, to which libspng does not always come.
    """
    view = memoryview(data)
    at, last = len(_PNG_START), -1
    while True:
        name = bytes(view[at + 4 : at + 8])
        if name == b"IEND":
            return last >= 0 and _is_sound(view[last:at])
        inside = last >= 0
        if len(name) < 4 or name in _PNG_OTHER_KINDS or (inside and name != _PNG_PIXELS):
            return False
        last = at if name == _PNG_PIXELS else -1
        at += 12 + int.from_bytes(view[at : at + 4], "big")


def _is_sound(chunk: memoryview) -> bool:
    return zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")


def _jpeg_samples(image: Image.Image) -> int:
    """Returns the samples per pixel of the result for a JPEG; 0 if it is not of a usual kind."""
    # Per component: identity, horizontal and vertical sampling factor, quantisation table.
    factors = [(layer[1], layer[2]) for layer in getattr(image, "layer", ())]
    if image.mode == "L" and len(factors) == 1:
        return 3  # The library repeats grey by itself.
    usual = factors[:1] and factors[0] in _JPEG_SAMPLING and factors[1:] == [(1, 1), (1, 1)]
    return 3 if image.mode == "RGB" and usual else 0
