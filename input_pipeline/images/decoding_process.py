"""The process in which HEIF, AVIF and JPEG XL are decoded: `python -m` this, and talk to it.

A request is the size of a file (8 bytes), the most pixels (8), whether pixels are wanted (1), and
the file. The answer is the size of a text (4 bytes), the text, JSON, and if wanted the pixels,
uint8 [h, w, 3]. Numbers are big-endian. The process ends with its input.
"""

import contextlib
import json
import os
import struct
import sys
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, features

from input_pipeline.images.codecs import PILLOW_ERRORS
from input_pipeline.images.iso_boxes import read_jpeg_xl
from input_pipeline.images.kinds import AVIF, HEIF, JPEG_XL, isolated_kind
from input_pipeline.images.orientation import as_stored, orientation_of
from input_pipeline.images.plugins import open_as
from input_pipeline.images.problems import TooManyPixelsError, UnreadableImageError
from input_pipeline.images.repeated_colour import USUAL_MATRIX, interpolate_colour
from input_pipeline.images.rgb import has_alpha, to_rgb, transparent_share

REQUEST, ANSWER = struct.Struct(">QQ?"), struct.Struct(">I")
# Memory beyond what the process has when it begins: for a header, and for each pixel of a picture.
_HEADER_BYTES, _BYTES_PER_PIXEL = 2**30, 48
_ORIENTATION = 0x0112


def main() -> None:
    """Answers requests until there are no more."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no answer
    while len(head := sys.stdin.buffer.read(REQUEST.size)) == REQUEST.size:
        length, max_pixels, with_pixels = REQUEST.unpack(head)
        data = sys.stdin.buffer.read(length)
        _answer(answers, *_read(data, max_pixels, with_pixels))


def _answer(answers: BinaryIO, described: dict[str, Any], pixels: np.ndarray | None) -> None:
    text = json.dumps(described).encode()
    answers.write(ANSWER.pack(len(text)) + text)
    if pixels is not None:
        answers.write(np.ascontiguousarray(pixels).data)
    answers.flush()


def _read(
    data: bytes, max_pixels: int, with_pixels: bool
) -> tuple[dict[str, Any], np.ndarray | None]:
    kind = isolated_kind(data)
    try:
        with _memory(_HEADER_BYTES):
            _register(kind)
            described = _describe(kind, data)
        pixels_in_all = described["width"] * described["height"]
        if pixels_in_all > max_pixels:
            raise TooManyPixelsError(
                f"too large: {described['width']} x {described['height']} is more than "
                f"{max_pixels} pixels (--max_megapixels)"
            )
        if not with_pixels:
            return described, None
        with _memory(_HEADER_BYTES + _BYTES_PER_PIXEL * pixels_in_all):
            pixels = _pixels(kind, data, described)
        return described, pixels
    except UnreadableImageError as error:
        is_large = isinstance(error, TooManyPixelsError)
        return {"error": str(error), "too_large": is_large}, None
    except (*PILLOW_ERRORS, Image.DecompressionBombError) as error:
        if kind == JPEG_XL and isinstance(error, RuntimeError):  # how to build libjxl
            error = OSError("pixels are missing or corrupt")
        reason = " ".join((str(error) or type(error).__name__).split())[:200]
        return {"error": f"damaged image: {reason}", "too_large": False}, None


def _register(kind: str) -> None:
    """Makes Pillow read the kind, or says what to install."""
    try:
        if kind == HEIF:
            import pillow_heif

            pillow_heif.register_heif_opener(thumbnails=False)
        elif kind == JPEG_XL:
            import pillow_jxl  # noqa: F401
    except ImportError as error:
        name = "pillow-heif" if kind == HEIF else "pillow-jxl-plugin"
        raise UnreadableImageError(
            f"a {'HEIC' if kind == HEIF else 'JPEG XL'} file, which is read by {name}: "
            "pip install 'npr-jax[formats]'"
        ) from error
    if kind == AVIF and not features.check("avif"):
        raise UnreadableImageError("an AVIF file, which this build of Pillow does not read")


def _open(kind: str, data: bytes) -> Image.Image:
    return open_as(data, [kind])


def _describe(kind: str, data: bytes) -> dict[str, Any]:
    """What `FileFacts` calls so, sizes as stored; no pixel is decoded."""
    described: dict[str, Any] = {"format": kind, "pictures": 1, "has_alpha": True}
    if kind == JPEG_XL:  # its plugin decodes what it opens, so alpha may be there
        width, height, orientation = read_jpeg_xl(data)
        return described | {"width": width, "height": height, "orientation": orientation}
    image = _open(kind, data)
    described |= {"pictures": getattr(image, "n_frames", 1), "has_alpha": has_alpha(image)}
    width, height = image.size
    if kind == HEIF:
        orientation = orientation_of(_steps(image))
        width, height = (height, width) if orientation > 4 else (width, height)
    else:
        orientation = image.getexif().get(_ORIENTATION, 1)
    return described | {"width": width, "height": height, "orientation": orientation}


def _steps(image: Any) -> list[tuple[Any, ...]]:
    """How libheif turns the primary picture while it decodes it."""
    found = image._heif_file[image.tell()]
    return list(getattr(found._c_image, "transformations", ()))


def _pixels(kind: str, data: bytes, described: dict[str, Any]) -> np.ndarray:
    """RGB as stored; the share of transparent pixels is added to what is known of the file."""
    image = _open(kind, data)
    image.load()
    described["transparent"] = transparent_share(image)
    # libheif and libjxl deliver pictures upright, libavif as they are stored.
    orientation = described["orientation"]
    if kind == HEIF and image.mode in ("RGB", "RGBA"):
        stored = _with_interpolated_colour(image, orientation)
        pixels = to_rgb(stored, lambda: stored)
    else:
        pixels = to_rgb(image, lambda: _open(kind, data))
        if kind != AVIF and not getattr(image, "jpeg", False):
            pixels = as_stored(pixels, orientation)
    described["height"], described["width"] = pixels.shape[:2]
    return pixels


def _with_interpolated_colour(image: Image.Image, orientation: int) -> Image.Image:
    """A HEIF picture as stored, its colour enlarged as that of other formats is."""
    samples = np.ascontiguousarray(as_stored(np.asarray(image), orientation))
    matrix = (image.info.get("nclx_profile") or {}).get("matrix_coefficients", USUAL_MATRIX)
    colour = interpolate_colour(samples[..., :3], image.info.get("chroma", 0), matrix)
    return Image.fromarray(np.dstack([colour, samples[..., 3:]]))


@contextlib.contextmanager
def _memory(more: int) -> Any:
    """Bounds what may be allocated beyond what there is now, where the system can."""
    try:
        import resource
    except ImportError:  # Windows
        yield
        return
    now = resource.getrlimit(resource.RLIMIT_AS)
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
    except OSError:  # not Linux
        used = 2**34
    resource.setrlimit(resource.RLIMIT_AS, (used + more, now[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, now)


if __name__ == "__main__":
    main()
