"""Random changes of training images: blur, JPEG, WebP. Both classes undergo them alike.

The first two are the augmentation of Wang et al., "CNN-generated images are surprisingly easy to
spot... for now", CVPR 2020 (CNNDetection).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.images.transforms import jpeg, jpeg_by_opencv, webp

JPEG_CODECS = {"pil": jpeg, "opencv": jpeg_by_opencv}


class Augmentation(Protocol):
    """A change of an image that draws its chance and its strength from a generator.

    Attributes:
      stream: number of its random stream, see `random_streams`. Each kind has its own, so that
        what one draws for an image does not depend on which others are switched on.
    """

    stream: ClassVar[int]

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Returns the image, changed or as it is; uint8 [h, w, 3] RGB."""
        ...


@dataclass(frozen=True)
class GaussianBlur:
    """Blurs as `scipy.ndimage.gaussian_filter` on each channel of the uint8 image.

    As there, every pass rounds down, which darkens an image by up to two grey levels.

    Attributes:
      probability: 0 to 1.
      sigma: pixels; lowest and highest standard deviation, drawn uniformly.
    """

    probability: float
    sigma: tuple[float, float] = (0.0, 3.0)
    stream: ClassVar[int] = 3

    def __post_init__(self) -> None:
        _check_probability(self.probability)
        if not (len(self.sigma) == 2 and 0 <= self.sigma[0] <= self.sigma[1] < math.inf):
            raise UserError(
                f"blur sigma is {self.sigma}; give (lowest, highest) in pixels, 0 or more."
            )

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """See `Augmentation`."""
        from scipy import ndimage  # here, so that scoring does without it

        if rng.random() >= self.probability:
            return image
        return ndimage.gaussian_filter(image, rng.uniform(*self.sigma), axes=(0, 1))


@dataclass(frozen=True)
class JpegCompression:
    """Sends the image through JPEG (4:2:0).

    Attributes:
      probability: 0 to 1.
      quality: lowest and highest, 1 to 100; integers, each as likely.
      codecs: of `JPEG_CODECS`; each as likely.
    """

    probability: float
    quality: tuple[int, int] = (30, 100)
    codecs: tuple[str, ...] = ("pil", "opencv")
    stream: ClassVar[int] = 4

    def __post_init__(self) -> None:
        _check_probability(self.probability)
        _check_quality(self.quality)
        if not self.codecs or not set(self.codecs) <= JPEG_CODECS.keys():
            raise UserError(
                f"JPEG codecs are {self.codecs}; give one or more of {tuple(JPEG_CODECS)}."
            )

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """See `Augmentation`."""
        if rng.random() >= self.probability:
            return image
        codec = self.codecs[rng.integers(len(self.codecs))]
        return JPEG_CODECS[codec](image, _draw_quality(self.quality, rng))


@dataclass(frozen=True)
class WebpCompression:
    """Sends the image through PIL's lossy WebP.

    Attributes:
      probability: 0 to 1.
      quality: lowest and highest, 1 to 100; integers, each as likely.
    """

    probability: float
    quality: tuple[int, int] = (30, 100)
    stream: ClassVar[int] = 5

    def __post_init__(self) -> None:
        _check_probability(self.probability)
        _check_quality(self.quality)

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """See `Augmentation`."""
        if rng.random() >= self.probability:
            return image
        return webp(image, _draw_quality(self.quality, rng))


def augmentations(settings: Mapping[str, Any]) -> tuple[Augmentation, ...]:
    """Returns those that are switched on, in order: blur, JPEG, WebP.

    Args:
      settings: `data.augment` of configs/default.py; a probability of 0 switches off.

    Raises:
      ValueError: a value is not allowed.
    """
    blur = GaussianBlur(settings["blur_probability"], tuple(settings["blur_sigma"]))
    compression = JpegCompression(
        settings["jpeg_probability"],
        tuple(settings["jpeg_quality"]),
        tuple(settings["jpeg_codecs"]),
    )
    webp_compression = WebpCompression(
        settings["webp_probability"], tuple(settings["webp_quality"])
    )
    every = (blur, compression, webp_compression)
    return tuple(augmentation for augmentation in every if augmentation.probability)


def _draw_quality(quality: tuple[int, int], rng: np.random.Generator) -> int:
    return int(rng.integers(quality[0], quality[1], endpoint=True))


def _check_probability(probability: float) -> None:
    if not 0 <= probability <= 1:
        raise UserError(f"probability is {probability}; allowed is 0 to 1.")


def _check_quality(quality: Sequence[int]) -> None:
    if not (len(quality) == 2 and 1 <= quality[0] <= quality[1] <= 100):
        raise UserError(f"quality is {quality}; give (lowest, highest) within 1 to 100.")
