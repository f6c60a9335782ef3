"""Random changes of training images: invisible mark, blur, JPEG, WebP; both classes alike.

Blur and JPEG are the augmentation of Wang et al., "CNN-generated images are surprisingly easy to
spot... for now", CVPR 2020 (CNNDetection).
"""

import abc
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.images.invisible_mark import MIN_PIXELS, read_mark, remove_mark, write_mark
from input_pipeline.images.transforms import jpeg, jpeg_by_opencv, webp

JPEG_CODECS = {"pil": jpeg, "opencv": jpeg_by_opencv}


def derive_seed(seed: int, stream: int) -> int:
    """Returns the 32-bit seed of one of the random streams that derive from the one seed."""
    return int(np.random.SeedSequence([seed, stream]).generate_state(1)[0])


def rng_of(key: int, position: int) -> np.random.Generator:
    """Returns the generator of one random stream for the example at a position."""
    return np.random.Generator(np.random.Philox(key=[key, position]))


class Augmentation(Protocol):
    """A change of an image that draws its chance and its strength from a generator."""

    # Number of its random stream, see `derive_seed`. Each kind has its own, so that what one draws
    # for an image does not depend on which others are switched on.
    stream: ClassVar[int]
    # Whether it is done to the decoded file, before that is re-encoded and resized, or after.
    comes_first: ClassVar[bool] = False

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Returns the image, changed or as it is; uint8 [h, w, 3] RGB."""
        ...


@dataclass(frozen=True)
class InvisibleMark(Augmentation):
    """Lets as many photographs as generated images carry Stable Diffusion's invisible mark.

    Whether an image is to carry it is drawn without looking at the image. Then it is written into
    an image that lacks it, or removed from one that has it, so afterwards it says nothing of the
    class, whatever share of either carried it before. Written into both classes at random, it
    would still be more frequent where it was already. The message is the script's own: other bits
    would leave its own a sign of generated images. Images too small to be marked stay as they are.
    """

    probability: float  # 0 to 1: share of images that carry it in the end
    stream: ClassVar[int] = 8
    comes_first: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check_probability(self.probability)

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """See `Augmentation`."""
        wanted = rng.random() < self.probability
        height, width = image.shape[:2]
        if height * width < MIN_PIXELS or read_mark(image).is_carried == wanted:
            return image
        return write_mark(image) if wanted else remove_mark(image)


@dataclass(frozen=True)
class GaussianBlur(Augmentation):
    """Blurs as `scipy.ndimage.gaussian_filter` on each channel of the uint8 image.

    As there, every pass rounds down, which darkens an image by up to two grey levels.
    """

    probability: float  # 0 to 1
    # Pixels; lowest and highest standard deviation, drawn uniformly.
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
class _Compression(Augmentation):
    probability: float  # 0 to 1
    quality: tuple[int, int] = (30, 100)  # lowest and highest, 1 to 100; integers, each as likely

    def __post_init__(self) -> None:
        _check_probability(self.probability)
        if not (len(self.quality) == 2 and 1 <= self.quality[0] <= self.quality[1] <= 100):
            raise UserError(f"quality is {self.quality}; give (lowest, highest) within 1 to 100.")

    @abc.abstractmethod
    def _codec(self, rng: np.random.Generator) -> Callable[[np.ndarray, int], np.ndarray]:
        """Returns what the image goes through."""

    def __call__(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """See `Augmentation`."""
        if rng.random() >= self.probability:
            return image
        codec = self._codec(rng)
        return codec(image, int(rng.integers(*self.quality, endpoint=True)))


@dataclass(frozen=True)
class JpegCompression(_Compression):
    """Sends the image through JPEG (4:2:0)."""

    codecs: tuple[str, ...] = ("pil", "opencv")  # of `JPEG_CODECS`, each as likely
    stream: ClassVar[int] = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.codecs or not set(self.codecs) <= JPEG_CODECS.keys():
            raise UserError(
                f"JPEG codecs are {self.codecs}; give one or more of {tuple(JPEG_CODECS)}."
            )

    def _codec(self, rng: np.random.Generator) -> Callable[[np.ndarray, int], np.ndarray]:
        return JPEG_CODECS[self.codecs[rng.integers(len(self.codecs))]]


@dataclass(frozen=True)
class WebpCompression(_Compression):
    """Sends the image through PIL's lossy WebP."""

    stream: ClassVar[int] = 5

    def _codec(self, rng: np.random.Generator) -> Callable[[np.ndarray, int], np.ndarray]:
        return webp


def augmentations(settings: Mapping[str, Any]) -> tuple[Augmentation, ...]:
    """Returns those that are switched on, in order: invisible mark, blur, JPEG, WebP.

    The settings are `data.augment` of configs/default.py; a probability of 0 switches off.
    """
    mark = InvisibleMark(settings["invisible_mark_probability"])
    blur = GaussianBlur(settings["blur_probability"], tuple(settings["blur_sigma"]))
    quality, codecs = tuple(settings["jpeg_quality"]), tuple(settings["jpeg_codecs"])
    by_jpeg = JpegCompression(settings["jpeg_probability"], quality, codecs)
    by_webp = WebpCompression(settings["webp_probability"], tuple(settings["webp_quality"]))
    return tuple(step for step in (mark, blur, by_jpeg, by_webp) if step.probability)


def _check_probability(probability: float) -> None:
    if not 0 <= probability <= 1:
        raise UserError(f"probability is {probability}; allowed is 0 to 1.")
