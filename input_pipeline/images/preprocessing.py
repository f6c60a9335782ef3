"""What happens to a file before the network: the one way there, for every command."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.images.problems import ImageTooLargeError, ImageTooSmallError
from input_pipeline.images.transforms import (
    MAX_PIXELS,
    RESIZE_MODES,
    SMALL_IMAGES,
    centre_crop,
    cut_to_multiple,
    decode,
    jpeg,
    resize_to,
)

FileReader = Callable[[bytes | memoryview], np.ndarray]


@dataclasses.dataclass(frozen=True, eq=False)
class Preprocessing:
    """Decode, JPEG, resize, centre crop and cut to a multiple, in this order.

    Two are equal if they make the same pixels of every image; the limits and the reader, which
    follow from the system, are not compared.

    Raises:
      ValueError: a setting is not allowed.
    """

    resize: int = 0  # edge in pixels to which images are resized; 0: their own size
    resize_mode: str = "squash"  # 'squash' to a square, or 'short_side', which keeps the aspect
    crop: int = 0  # edge in pixels of a centre crop after that; 0: the whole image
    # How images below the crop are enlarged, see `transforms.enlarge`.
    small_images: str = "reflect"
    # Of what is left, rows at the bottom and columns at the right are cut until both sides are
    # multiples of so many pixels; 1: nothing is cut.
    multiple_of: int = 1
    jpeg_quality: int = 0  # of a trip through JPEG (4:2:0) that comes first, 1 to 100; 0: none
    # Pixels; images with a shorter side are refused, before or after all this.
    min_side: int = dataclasses.field(default=0, compare=False)
    # Of what comes out, height times width; 0: any number.
    max_pixels: int = dataclasses.field(default=0, compare=False)
    # Of a file, height times width; larger ones are refused before any pixel is decoded.
    most_pixels: int = dataclasses.field(default=MAX_PIXELS, compare=False)
    # What is made of a file's bytes; None: its pixels are decoded. A function of a module, so that
    # reader processes can have it.
    read_file: FileReader | None = dataclasses.field(default=None, compare=False)

    def __post_init__(self) -> None:
        check_geometry(self.resize, self.resize_mode, self.crop, self.small_images)
        if self.resize and self.resize < self.min_side:
            raise UserError(
                f"resize is {self.resize}; expected 0 (native size) or at least {self.min_side}"
            )
        if self.multiple_of < 1:
            raise UserError(f"multiple_of is {self.multiple_of}; give at least 1 pixel")
        if not 0 <= self.jpeg_quality <= 100:
            raise UserError(f"JPEG quality is {self.jpeg_quality}; give 1 to 100, or 0 for none.")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Preprocessing) and self._decisive == other._decisive

    def __hash__(self) -> int:
        return hash(tuple(self._decisive.values()))

    @property
    def _decisive(self) -> dict[str, Any]:
        return self.values() | {"multiple_of": self._cuts_to}

    @property
    def _cuts_to(self) -> int:
        """What sides are cut to a multiple of; 1 where they all are one before."""
        side = self.crop or (self.resize if self.resize_mode == "squash" else 0)
        return 1 if side and side % self.multiple_of == 0 else self.multiple_of

    def decode(self, data: bytes | memoryview) -> np.ndarray:
        """Returns what a file holds before anything is done to it, uint8 [h, w, 3].

        Raises:
          UnreadableImageError: with the reason.
        """
        if self.read_file is not None:
            return self.read_file(data)
        return decode(data, max_pixels=self.most_pixels)

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Returns the image as it is scored, contiguous uint8 [h, w, 3].

        Raises:
          ImageProblem: it is too small, or too large for JPEG or the network.
        """
        check_size(image.shape, self.min_side)
        if self.jpeg_quality:
            image = jpeg(image, self.jpeg_quality)
        if self.resize:
            image = resize_to(image, self.resize, self.resize_mode)
        if self.crop:
            image = centre_crop(image, self.crop, self.small_images)
        image = cut_to_multiple(image, self.multiple_of)
        check_size(image.shape, self.min_side, self.max_pixels)
        return np.ascontiguousarray(image)

    def in_words(self) -> str:
        """All of it, for reports."""
        text = f"re-encoded as JPEG {self.jpeg_quality}, " if self.jpeg_quality else ""
        if not self.resize:
            text += "native size"
        elif self.resize_mode == "squash":
            text += f"squashed to {self.resize}x{self.resize} pixels"
        else:
            text += f"short side resized to {self.resize} pixels"
        if self.crop:
            how = "tiled" if self.small_images == "tile" else "padded by reflection"
            text += f", centre crop of {self.crop} pixels (smaller images {how})"
        if self._cuts_to > 1:
            text += f", sides cut to multiples of {self._cuts_to} pixels"
        return text

    def values(self) -> dict[str, Any]:
        """What decides the pixels, as JSON: arguments that make the same preprocessing again."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.compare}


def check_size(shape: Sequence[int], min_side: int, max_pixels: int = 0) -> None:
    """Raises `ImageProblem` for a (height, width, ...) beyond a network's limits; 0: none."""
    height, width = shape[:2]
    if min(height, width) < min_side:
        raise ImageTooSmallError(
            f"too small: {height}x{width} pixels, at least {min_side}x{min_side} needed"
        )
    if max_pixels and height * width > max_pixels:
        raise ImageTooLargeError(
            f"image is {height}x{width} pixels; this system looks at images whole, at most "
            f"{max_pixels:,} pixels of them: give --resize=256 or another side"
        )


def check_geometry(resize: int, resize_mode: str, crop: int, small_images: str) -> None:
    """Raises `ValueError` for a resize or crop that cannot be done."""
    if resize_mode not in RESIZE_MODES:
        raise UserError(f"data.resize_mode is {resize_mode!r}; allowed are {RESIZE_MODES}.")
    if small_images not in SMALL_IMAGES:
        raise UserError(f"data.small_images is {small_images!r}; allowed are {SMALL_IMAGES}.")
    if resize < 0 or crop < 0:
        raise UserError(f"resize is {resize} and crop {crop}; both must be 0 (none) or more.")


def check_reencode(reencode: Sequence[int]) -> None:
    """Raises `ValueError` unless it is a (lowest, highest) JPEG quality, or ()."""
    if reencode and not (len(reencode) == 2 and 1 <= reencode[0] <= reencode[1] <= 100):
        raise UserError(
            f"data.reencode is {tuple(reencode)}; give (lowest, highest) JPEG quality within 1 to "
            "100, or () for none."
        )


def middle_quality(reencode: Sequence[int]) -> int:
    """The JPEG quality that images are scored with where training draws from a range; 0: none."""
    check_reencode(reencode)
    return sum(reencode) // 2 if reencode else 0


NATIVE = Preprocessing()  # pixels as they are
