"""What an image file tells without its pixels: format, sizes, JPEG settings."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP")
FEATURES = (
    *(f"is {name}" for name in FORMATS),
    "height",
    "width",
    "bytes per pixel",
    "mean of the luminance quantisation table",
    "chroma subsampled",
)


def describe_file(data: bytes | memoryview) -> np.ndarray:
    """Features of an encoded image, float64 ``[len(FEATURES)]``; no pixel is decoded.

    Raises:
        OSError: if the bytes are no image (Pillow's UnidentifiedImageError is one).
    """
    with Image.open(io.BytesIO(data)) as image:
        width, height = image.size
        tables = getattr(image, "quantization", None) or {}
        layers = getattr(image, "layer", None) or []
        kind = image.format
    luminance = float(np.mean(tables[0])) if 0 in tables else 0.0
    # A JPEG layer is (id, horizontal sampling, vertical sampling, table).
    subsampled = len(layers) > 1 and layers[0][1:3] != layers[1][1:3]
    return np.array(
        [
            *(float(kind == name) for name in FORMATS),
            height,
            width,
            len(data) / (height * width),
            luminance,
            float(subsampled),
        ]
    )
