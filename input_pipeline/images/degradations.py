"""What happens to pictures between the camera or generator and us, in graded strengths.

Re-saving, resizing, cropping, blur, noise and the deliveries of `transforms.deliver`: the list that
`robustness` goes through. Everything works on uint8 [h, w, 3] RGB and gives the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from input_pipeline.errors import UserError
from input_pipeline.images.augmentations import GaussianBlur
from input_pipeline.images.random_streams import derive_seed, generator_of
from input_pipeline.images.transforms import deliver, jpeg, resize, webp

_FILTERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_NOISE_STREAM, _CROP_STREAM, _BLUR_STREAM = (
    6,
    7,
    GaussianBlur.stream,
)  # see random_streams.derive_seed
POSTED_QUALITY = 85  # JPEG quality of a screenshot that was posted


@dataclass(frozen=True)
class Transformation:
    """One change of an image in one strength.

    Attributes:
      name: of the family, such as 'jpeg'; also one flag's word.
      strength: what tells it from others of its family; empty where there is one only.
      change: called with the image, where `stream` is set a generator, and the arguments.
      arguments: of `change`.
      stream: number of its random stream, see `random_streams`; None: nothing is random.
    """

    name: str
    strength: str
    change: Callable[..., np.ndarray]
    arguments: tuple[Any, ...] = ()
    stream: int | None = None

    def __call__(self, image: np.ndarray, seed: int, index: int) -> np.ndarray:
        """Returns the changed image.

        What is random depends on the seed and the image's number in its split alone. All strengths
        of a family draw the same numbers for an image.

        Raises:
          ValueError: the image is too large for a file format it has to go through.
        """
        if self.stream is None:
            return self.change(image, *self.arguments)
        rng = generator_of(derive_seed(seed, self.stream), index)
        return self.change(image, rng, *self.arguments)

    @property
    def label(self) -> str:
        """Name and strength, as 'jpeg 90'."""
        return f"{self.name} {self.strength}".rstrip()


def unchanged(image: np.ndarray) -> np.ndarray:
    """Returns the image itself."""
    return image


def scale(image: np.ndarray, factor: float, resample: str) -> np.ndarray:
    """Resizes both sides by a factor, rounded to whole pixels, at least one, by a PIL filter."""
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    return resize(image, height, width, _FILTERS[resample])


def blur(image: np.ndarray, rng: np.random.Generator, sigma: float) -> np.ndarray:
    """Blurs as training does, see `augmentations.GaussianBlur`; sigma in pixels."""
    return GaussianBlur(1.0, (sigma, sigma))(image, rng)


def add_noise(image: np.ndarray, rng: np.random.Generator, sigma: float) -> np.ndarray:
    """Adds white Gaussian noise, independent per pixel and channel; sigma in grey levels of 255."""
    noise = rng.standard_normal(image.shape, np.float32)
    return np.clip(np.rint(image + np.float32(sigma) * noise), 0, 255).astype(np.uint8)


def keep_part(image: np.ndarray, rng: np.random.Generator, share: float) -> np.ndarray:
    """Cuts out a part with this share of either side, anywhere in the image with equal chance."""
    kept = [max(1, round(side * share)) for side in image.shape[:2]]
    top, left = (
        int(rng.integers(0, side - part + 1))
        for side, part in zip(image.shape[:2], kept, strict=True)
    )
    return image[top : top + kept[0], left : left + kept[1]]


def save_twice(image: np.ndarray, first: int, second: int) -> np.ndarray:
    """Sends the image through JPEG twice, on the same grid of blocks."""
    return jpeg(jpeg(image, first), second)


def screenshot(image: np.ndarray, factor: float) -> np.ndarray:
    """Returns what is left of an image that was shown at another size, captured and posted.

    Shown: resized by the factor with PIL's bilinear filter. Captured: nothing is lost. Posted: back
    to its own size with PIL's bicubic filter, then JPEG of `POSTED_QUALITY`.
    """
    shown = scale(image, factor, "bilinear")
    back = resize(shown, image.shape[0], image.shape[1], Image.Resampling.BICUBIC)
    return jpeg(back, POSTED_QUALITY)


def grey(image: np.ndarray) -> np.ndarray:
    """Replaces the colours by PIL's luminance (ITU-R 601-2), the same in all three channels."""
    return np.asarray(Image.fromarray(image).convert("L").convert("RGB"))


def _deliveries() -> list[Transformation]:
    return [Transformation("delivery", how, deliver, (how,)) for how in ("web", "hard")]


def _recompressions() -> list[Transformation]:
    every = [
        Transformation("jpeg", str(quality), jpeg, (quality,))
        for quality in (95, 90, 80, 70, 60, 50, 40, 30)
    ]
    every += [
        Transformation("webp", str(quality), webp, (quality,))
        for quality in (95, 90, 80, 70, 50, 30)
    ]
    every += [
        Transformation("double_jpeg", f"{first}+{second}", save_twice, (first, second))
        for first, second in ((95, 75), (75, 95), (75, 75), (50, 90))
    ]
    return every


def _resamplings() -> list[Transformation]:
    every = [
        Transformation(f"resize_{name}", f"{factor:g}", scale, (factor, name))
        for name in _FILTERS
        for factor in (0.25, 0.5, 0.75, 1.25, 1.5, 2.0)
    ]
    every += [
        Transformation("screenshot", f"{factor:g}", screenshot, (factor,))
        for factor in (0.8, 1.25, 1.5, 2.0)
    ]
    return every


def _others() -> list[Transformation]:
    every = [
        Transformation("blur", f"{sigma:g}", blur, (sigma,), _BLUR_STREAM)
        for sigma in (0.5, 1.0, 2.0, 3.0)
    ]
    every += [
        Transformation("noise", f"{sigma:g}", add_noise, (sigma,), _NOISE_STREAM)
        for sigma in (1.0, 2.0, 4.0, 8.0, 16.0)
    ]
    every += [
        Transformation("crop", f"{share:g}", keep_part, (share,), _CROP_STREAM)
        for share in (0.9, 0.75, 0.5, 0.25)
    ]
    return [*every, Transformation("grey", "", grey)]


def transformations(names: str = "") -> tuple[Transformation, ...]:
    """Returns the transformations of the named families; the unchanged image ('clean') is first.

    Args:
      names: families separated by commas, as 'jpeg,webp'; 'resize' stands for all three filters;
        empty for all.

    Raises:
      ValueError: there is no such family.
    """
    every = [*_recompressions(), *_resamplings(), *_others(), *_deliveries()]
    families = list(dict.fromkeys(one.name for one in every))
    wanted = {part.strip() for part in names.split(",")} if names else set(families)
    groups = {"clean": [], "resize": [name for name in families if name.startswith("resize_")]}
    unknown = sorted(wanted - set(families) - groups.keys())
    if unknown:
        raise UserError(
            f"--transformations={names}: there is no {', '.join(map(repr, unknown))}; choose from "
            f"{', '.join([*families, *groups])}"
        )
    for group in wanted & groups.keys():
        wanted |= set(groups[group])
    return (
        Transformation("clean", "", unchanged),
        *(one for one in every if one.name in wanted),
    )
