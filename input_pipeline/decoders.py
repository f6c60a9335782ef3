"""Pixels of PNG and JPEG files from libraries that are faster than Pillow and give the same bytes.

Pillow is the reference: it reads the header, and whatever is not listed here, whatever a library
here refuses or warns about, and everything where a library is not installed, Pillow decodes too.
So the pixels, and which files count as damaged, are Pillow's on every machine; the tests compare
both on every kind of file and on thousands of damaged ones. Both libraries let other Python threads
run while they decode.

PNG goes to libspng (with zlib-ng, by way of imagecodecs), JPEG to libjpeg-turbo (by way of
simplejpeg), which Pillow has as well, but calls in small steps and copies the pixels out of twice.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image, features

_PNG_HEADER = (b"\x89PNG\r\n\x1a\n", b"IHDR")
# Samples per pixel of the colour types grey, RGB and RGBA.
_PNG_SAMPLES = {0: 1, 2: 3, 6: 4}
# Chunks with which a PNG is not simply its rows: a transparent colour, an animation.
_PNG_OTHER_KINDS = frozenset([b"tRNS", b"acTL", b"fcTL", b"fdAT"])
# Sampling factors of Y where those of Cb and Cr are 1 x 1: 4:4:4, 4:2:2, 4:2:0, 4:4:0, 4:1:1.
_JPEG_SAMPLING = frozenset([(1, 1), (2, 1), (2, 2), (1, 2), (4, 1)])
# SpngError is a RuntimeError; an imagecodecs built without a codec raises an ImportError.
_LIBRARY_ERRORS = (ValueError, RuntimeError, MemoryError, ImportError)

_Decoder = Callable[[bytes | memoryview, np.ndarray], np.ndarray]


def fast_pixels(
    image: Image.Image, data: bytes | memoryview, out: np.ndarray | None = None
) -> np.ndarray | None:
    """Decodes a file whose header Pillow has read, where a faster library gives the same pixels.

    Args:
      image: what `PIL.Image.open` made of `data`, its pixels not loaded.
      data: the bytes of the file.
      out: contiguous uint8 [h, w, 3] that may be used for the result; it is used if it has the
        shape of the image, and may hold anything if the result is None.

    Returns:
      uint8 [h, w, 3] RGB as `transforms.decode` defines it, or None: let Pillow decode.
    """
    if image.format == "PNG":
        samples, decoder = _png_samples(data), _png_decoder()
    elif image.format == "JPEG":
        samples, decoder = _jpeg_samples(image), _jpeg_decoder()
    else:
        return None
    if decoder is None or not samples:
        return None
    # The libraries decode into memory of the size that Pillow read, and refuse another size.
    shape = (image.height, image.width, samples)
    if out is None or out.shape != shape:
        out = np.empty(shape[: 3 if samples > 1 else 2], np.uint8)
    try:
        pixels = decoder(data, out)
    except _LIBRARY_ERRORS:
        return None
    if pixels.shape != out.shape:
        return None
    if samples == 1:
        return np.repeat(pixels[:, :, None], 3, axis=2)
    return pixels if samples == 3 else np.ascontiguousarray(pixels[:, :, :3])


@cache
def _png_decoder() -> _Decoder | None:
    try:
        from imagecodecs import spng_decode
    except ImportError:
        return None
    return lambda data, out: spng_decode(data, out=out)


@cache
def _jpeg_decoder() -> _Decoder | None:
    try:
        from simplejpeg import decode_jpeg
    except ImportError:
        return None
    if not features.check_feature("libjpeg_turbo"):
        return None  # A Pillow with another JPEG library has other pixels.
    return lambda data, out: decode_jpeg(data, "RGB", buffer=out, strict=True)


def _png_samples(data: bytes | memoryview) -> int:
    """Returns the samples per pixel of a PNG of 8 bits in plain rows; 0 if it is another kind."""
    head = bytes(data[:29])
    if (head[:8], head[12:16]) != _PNG_HEADER or head[24] != 8 or head[28]:
        return 0
    return _PNG_SAMPLES.get(head[25], 0) if _ends_after_pixels(data) else 0


def _ends_after_pixels(data: bytes | memoryview) -> bool:
    """Tells whether nothing but IEND follows the pixels of a PNG, and nothing alters them."""
    view = memoryview(data)
    at, inside = 8, False
    while True:
        name = bytes(view[at + 4 : at + 8])
        if name == b"IEND":
            return inside
        if len(name) < 4 or name in _PNG_OTHER_KINDS or (inside and name != b"IDAT"):
            return False
        inside = name == b"IDAT"
        at += 12 + int.from_bytes(view[at : at + 4], "big")


def _jpeg_samples(image: Image.Image) -> int:
    """Returns the samples per pixel of the result for a JPEG; 0 if it is not of a usual kind."""
    # Per component: identity, horizontal and vertical sampling factor, quantisation table.
    first, *others = [(layer[1], layer[2]) for layer in getattr(image, "layer", ())] or [(0, 0)]
    if image.mode == "L" and not others:
        return 3  # The library repeats grey by itself.
    usual = first in _JPEG_SAMPLING and others == [(1, 1), (1, 1)]
    return 3 if image.mode == "RGB" and usual else 0
