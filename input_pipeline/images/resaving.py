"""Saving pixels the way a given file was saved: its format, and its quality as far as it tells."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, JpegImagePlugin

from input_pipeline.images.kinds import isolated_kind
from input_pipeline.images.transforms import decode, named_reasons, open_image

_OTHER_SAMPLINGS = 2  # Pillow writes 0 (4:4:4), 1 (4:2:2) and 2 (4:2:0) only
_WEBP_EFFORT = 4
_LARGEST_FACTOR = 255  # of a quantisation table of 8 bits


@dataclass(frozen=True)
class Saving:
    """How files are saved."""

    format: str  # 'JPEG', 'WEBP' or 'PNG'
    mode: str  # Pillow's: 'RGB', or 'L' for grey
    options: dict[str, Any]  # of Pillow's `Image.save`

    @property
    def suffix(self) -> str:
        """The ending of such a file's name."""
        return {"JPEG": ".jpg", "WEBP": ".webp"}.get(self.format, ".png")

    def save(self, pixels: np.ndarray) -> bytes:
        """Encodes uint8 [h, w, 3] RGB."""
        file = io.BytesIO()
        Image.fromarray(pixels).convert(self.mode).save(file, self.format, **self.options)
        return file.getvalue()


def saving_of(data: bytes) -> Saving:
    """Tells how a file was saved.

    A JPEG is saved with its own quantisation tables, chroma subsampling (4:2:0 where Pillow cannot
    write its own) and order of scans. A lossy WebP does not name its quality: it is the one at
    which its pixels, saved again, come nearest to its size. A lossless WebP stays one. Every other
    format becomes PNG, which loses nothing more.

    Raises:
      UnreadableImageError: the bytes are no image.
    """
    if isolated_kind(data):
        return Saving("PNG", "RGB", {"compress_level": 6})
    with named_reasons(data), open_image(data) as image:
        mode = "L" if image.mode in ("L", "1", "LA") else "RGB"
        if isinstance(image, JpegImagePlugin.JpegImageFile):  # MPO of phones among them
            return Saving("JPEG", mode, _jpeg_options(image))
        kind = image.format
    if kind != "WEBP":
        return Saving("PNG", mode, {"compress_level": 6})
    options: dict[str, Any] = {"method": _WEBP_EFFORT, "exact": True}
    if data[12:16] == b"VP8L" or b"VP8L" in data[12:64]:
        return Saving("WEBP", "RGB", options | {"lossless": True})
    pixels = decode(data)

    def size_at(quality: int) -> int:
        return len(Saving("WEBP", "RGB", options | {"quality": quality}).save(pixels))

    return Saving("WEBP", "RGB", options | {"quality": _nearest(size_at, len(data))})


def has_palette(data: bytes) -> bool:
    """Whether a file stores few colours by design: a palette, or black and white alone.

    Raises:
      UnreadableImageError: the bytes are no image.
    """
    if isolated_kind(data):
        return False
    with named_reasons(data), open_image(data) as image:
        return image.mode in ("P", "PA", "1")


def _jpeg_options(image: Image.Image) -> dict[str, Any]:
    tables = getattr(image, "quantization", {})
    # Pillow takes the first for luminance and the second for both colours.
    first_two = [
        [min(factor, _LARGEST_FACTOR) for factor in tables[key]] for key in sorted(tables)[:2]
    ]
    sampling = JpegImagePlugin.get_sampling(image)
    return {
        "qtables": first_two,
        "subsampling": sampling if sampling >= 0 else _OTHER_SAMPLINGS,
        "progressive": bool(image.info.get("progressive")),
    }


def _nearest(size_at: Callable[[int], int], size: int) -> int:
    """The quality, 1 to 100, whose size is nearest to the one given; sizes grow with quality."""
    low, high = 1, 100
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if size_at(middle) <= size else (low, middle)
    return min((low, high), key=lambda quality: abs(size_at(quality) - size))
