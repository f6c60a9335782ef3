"""What is easily said of an image: how its file is, and how its pixels look, in a few numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from input_pipeline.images.metadata import read_facts
from input_pipeline.storage.records import ImageRecord

COLUMNS = (
    "format",
    "height",
    "width",
    "bytes_per_pixel",
    "jpeg_quality",
    "brightness",
    "contrast",
    "sharpness",
)
_LARGEST = 512  # pixels: a large image is judged by its central square of that side


def image_facts(record: ImageRecord, image: np.ndarray) -> dict[str, Any]:
    """The facts of a record, JSON values.

    Args:
      record: as it is stored.
      image: uint8 [h, w, 3], its pixels as they are scored.

    Returns:
      ``format`` as Pillow names it, ``bytes_per_pixel`` and ``jpeg_quality`` (libjpeg's whose table
      is nearest) of the file, None where only pixels are stored, the quality also for other
      formats; ``height`` and ``width`` of the stored image. Of the scored pixels' luma (0 to 255),
      or of its central square of 512 pixels: ``brightness``, its mean; ``contrast``, its standard
      deviation; ``sharpness``, the standard deviation of its Laplacian.
    """
    facts: dict[str, Any] = {"format": None, "bytes_per_pixel": None, "jpeg_quality": None}
    if record.storage == "encoded":
        file = read_facts(record.image)
        facts["format"], facts["jpeg_quality"] = file.format, file.quality
        facts["bytes_per_pixel"] = file.num_bytes / (file.height * file.width)
    return facts | {"height": record.height, "width": record.width} | _look(image)


def _look(image: np.ndarray) -> dict[str, float]:
    import cv2  # slow to import, and only evaluation needs it

    top, left = (max(0, (length - _LARGEST) // 2) for length in image.shape[:2])
    part = np.ascontiguousarray(image[top : top + _LARGEST, left : left + _LARGEST])
    luma = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)
    mean, deviation = cv2.meanStdDev(luma)
    edges = cv2.meanStdDev(cv2.Laplacian(luma, cv2.CV_16S))[1]
    values = {"brightness": mean, "contrast": deviation, "sharpness": edges}
    return {name: float(value[0, 0]) for name, value in values.items()}
