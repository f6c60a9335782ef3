"""From the bytes of an image file to the pixels that a detector scores: the only way there."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.images.transforms import centre_crop, decode, jpeg, squash
from input_pipeline.loading.file_source import FileReader
from npr_jax.inference.tiling import MIN_SIDE, check_size
from npr_jax.models.base import Model


@dataclasses.dataclass(frozen=True)
class Preparation:
    """What happens to a file before the network; see ``npr_jax.Detector`` for the settings.

    Attributes:
        model: whose demands on sizes are checked.
        read_file: for systems that do not look at pixels, what is made of the bytes; None: the
            pixels are decoded.
        resize: side of the square that pixels are squashed to; 0: native size.
        crop: side of the centre crop after that; 0: the whole image.
        small_images: how images below the crop are enlarged, ``reflect`` or ``tile``.
        jpeg_quality: of the JPEG that pixels go through first; 0: none.
    """

    model: Model
    read_file: FileReader | None
    resize: int
    crop: int
    small_images: str
    jpeg_quality: int

    def in_words(self) -> str:
        """All of it, for reports; a calibration holds for these words alone."""
        text = f"re-encoded as JPEG {self.jpeg_quality}, " if self.jpeg_quality else ""
        text += f"squashed to {self.resize}x{self.resize} pixels" if self.resize else "native size"
        if self.crop:
            how = "tiled" if self.small_images == "tile" else "padded by reflection"
            text += f", centre crop of {self.crop} pixels (smaller images {how})"
        return text

    def decode(self, data: bytes | memoryview) -> np.ndarray:
        """A file's own pixels, uint8 ``[h, w, 3]``.

        Raises:
            UnreadableImageError: with the reason, where there are none.
        """
        return (self.read_file or decode)(data)

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """Pixels as they are scored, uint8 ``[h, w, 3]``, from a file's own.

        Raises:
            ValueError: the image is too small, or too large for the system.
        """
        height, width = image.shape[:2]
        if min(height, width) < MIN_SIDE:
            raise UserError(
                f"too small: {height}x{width} pixels, at least {MIN_SIDE}x{MIN_SIDE} needed"
            )
        image = jpeg(image, self.jpeg_quality) if self.jpeg_quality else image
        image = squash(image, self.resize) if self.resize else image
        if self.crop:
            return centre_crop(image, self.crop, self.small_images)
        check_size(image.shape[0], image.shape[1], self.model)
        return image

    def pixels_or_problem(self, read: Callable[[], bytes | memoryview]) -> np.ndarray | str:
        """Pixels as they are scored of the bytes that ``read`` gives, or why there are none."""
        try:
            return self.prepare(self.decode(read()))
        except OSError as error:
            return error.strerror or str(error)
        except ValueError as error:  # UnreadableImageError is one
            return str(error)
