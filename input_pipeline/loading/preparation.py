"""What happens to every image before it is scored; an image's own size, shape and format aside."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.images.transforms import (
    RESIZE_MODES,
    SMALL_IMAGES,
    centre_crop,
    drop_odd_edges,
    jpeg,
    resize_to,
)


@dataclass(frozen=True)
class Preparation:
    """JPEG, resize, centre crop and even edges, in this order.

    Attributes:
      resize: edge in pixels to which images are resized, or 0 for their own size.
      resize_mode: 'squash' to a square, or 'short_side', which keeps the aspect.
      crop: edge in pixels of a centre crop after that, or 0 for none.
      small_images: how images below the crop are enlarged, see `transforms.enlarge`.
      even: whether an odd last row or column is dropped in the end.
      reencode: (lowest, highest) JPEG quality; images are re-encoded at the middle of that range.

    Raises:
      ValueError: a setting is not allowed.
    """

    resize: int = 0
    resize_mode: str = "squash"
    crop: int = 0
    small_images: str = "reflect"
    even: bool = False
    reencode: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check_image_settings(
            self.resize, self.resize_mode, self.crop, self.small_images, self.reencode
        )

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Returns the image as it is scored, contiguous uint8 [h, w, 3]."""
        if self.reencode:
            image = jpeg(image, sum(self.reencode) // 2)
        if self.resize:
            image = resize_to(image, self.resize, self.resize_mode)
        if self.crop:
            image = centre_crop(image, self.crop, self.small_images)
        if self.even:
            image = drop_odd_edges(image)
        return np.ascontiguousarray(image)


def check_image_settings(
    resize: int, resize_mode: str, crop: int, small_images: str, reencode: Sequence[int]
) -> None:
    """Raises `ValueError` for a resize, crop or re-encoding that cannot be done."""
    if resize_mode not in RESIZE_MODES:
        raise UserError(f"data.resize_mode is {resize_mode!r}; allowed are {RESIZE_MODES}.")
    if small_images not in SMALL_IMAGES:
        raise UserError(f"data.small_images is {small_images!r}; allowed are {SMALL_IMAGES}.")
    if resize < 0 or crop < 0:
        raise UserError(f"resize is {resize} and crop {crop}; both must be 0 (none) or more.")
    if resize and crop > resize:
        raise UserError(
            f"crop is {crop} pixels, but images are resized to {resize}: a crop must not be larger."
        )
    if reencode and not (len(reencode) == 2 and 1 <= reencode[0] <= reencode[1] <= 100):
        raise UserError(
            f"data.reencode is {tuple(reencode)}; give (lowest, highest) JPEG quality within 1 to "
            "100, or () for none."
        )
