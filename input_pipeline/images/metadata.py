"""What an image file tells without its pixels: format, sizes, JPEG settings; and as a picture."""

import io
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image

from input_pipeline.images.transforms import named_reasons

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP")
FEATURES = (
    *(f"is {name}" for name in FORMATS),
    "height",
    "width",
    "bytes per pixel",
    "mean of the luminance quantisation table",
    "chroma subsampled",
)
# ISO/IEC 10918-1, table K.1, row by row: libjpeg's luminance table of quality 50.
_STANDARD_LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
_SAMPLINGS: dict[tuple[float, float], str] = {
    (1, 1): "4:4:4",
    (2, 1): "4:2:2",
    (2, 2): "4:2:0",
    (1, 2): "4:4:0",
    (4, 1): "4:1:1",
}
SIDE = 32  # pixels of a metadata picture, the smallest images that are scored
LOG_RANGE = 16.0  # of the natural logarithm in it: features up to 8.9 million
LEVELS = 2**24 - 1


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a file says of itself."""

    format: str  # as Pillow names it: JPEG, PNG, WEBP, ...
    height: int  # pixels
    width: int  # pixels
    num_bytes: int  # size of the file
    luminance: float  # JPEG: mean of the luminance quantisation table, else 0
    # JPEG: libjpeg quality, 1 to 100, whose table is nearest to the file's; else None.
    quality: int | None
    standard_table: bool  # JPEG: whether the table is exactly libjpeg's of that quality
    subsampling: str  # JPEG: '4:4:4', '4:2:2', '4:2:0', ..., 'grey' or 'other'; else ''

    def features(self) -> np.ndarray:
        """Returns what a classifier on metadata sees, float64 ``[len(FEATURES)]``."""
        density = self.num_bytes / (self.height * self.width)
        subsampled = float(self.subsampling not in ("", "grey", "4:4:4"))
        kinds = (float(self.format == name) for name in FORMATS)
        return np.array([*kinds, self.height, self.width, density, self.luminance, subsampled])


def read_facts(data: bytes | memoryview) -> FileFacts:
    """Reads the facts of an encoded image; no pixel is decoded.

    Raises:
      UnreadableImageError: the bytes are no image.
    """
    with named_reasons(data), Image.open(io.BytesIO(data)) as image:
        width, height = image.size
        tables = getattr(image, "quantization", None) or {}
        layers = getattr(image, "layer", None) or []
        kind = image.format or ""
    table = tables.get(0)
    quality, exact = estimate_quality(table) if table is not None else (None, False)
    return FileFacts(
        format=kind,
        height=height,
        width=width,
        num_bytes=len(data),
        luminance=float(np.mean(table)) if table is not None else 0.0,
        quality=quality,
        standard_table=exact,
        subsampling=_subsampling(layers),
    )


def estimate_quality(table: list[int] | np.ndarray) -> tuple[int, bool]:
    """Returns the libjpeg quality whose 64 entries, row by row, are nearest; and if they are it."""
    distances = np.abs(_tables() - np.asarray(table)).sum(axis=1)
    # Of equals the highest: libjpeg's tables of 100 and 99 are the only ones that come close.
    best = len(distances) - 1 - int(np.argmin(distances[::-1]))
    return best + 1, bool(distances[best] == 0)


@cache
def _tables() -> np.ndarray:
    """Returns libjpeg's luminance tables of qualities 1 to 100, int64 [100, 64]."""
    quality = np.arange(1, 101)
    scale = np.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    return np.clip((np.array(_STANDARD_LUMINANCE) * scale[:, None] + 50) // 100, 1, 255)


def _subsampling(layers: list[tuple[int, int, int, int]]) -> str:
    """Names the chroma subsampling; a layer is (id, horizontal, vertical sampling, table)."""
    if not layers:
        return ""
    if len(layers) == 1:
        return "grey"
    (_, h, v, _), *colours = layers
    if len({layer[1:3] for layer in colours}) != 1 or len(layers) != 3:
        return "other"
    ratio = (h / colours[0][1], v / colours[0][2])
    return _SAMPLINGS.get(ratio, "other")


def metadata_picture(data: bytes | memoryview) -> np.ndarray:
    """Returns a file's metadata as a picture, which reaches a network on the way that pixels take.

    Row i, column 0 holds feature i of `FEATURES` as `log(1 + feature) / 16` in 24 bits, the highest
    eight in red and the lowest in blue; everything else is 0. The features can be had back from it
    to one part in a million of their logarithm's range.

    Returns:
      uint8 [SIDE, SIDE, 3].

    Raises:
      UnreadableImageError: the bytes are no image.
    """
    share = np.clip(np.log1p(read_facts(data).features()) / LOG_RANGE, 0, 1)
    levels = np.rint(share * LEVELS).astype(np.int64)
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    for channel, shift in enumerate((16, 8, 0)):
        picture[: len(FEATURES), 0, channel] = (levels >> shift) & 255
    return picture
