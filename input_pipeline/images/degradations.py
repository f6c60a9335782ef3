"""What happens to pictures between the camera or generator and us, in graded strengths.

Re-saving, resizing, cropping, blur, noise, an invisible mark and the deliveries of
`transforms.deliver`: the list that `robustness` goes through. Everything works on
uint8 [h, w, 3] RGB and gives the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from input_pipeline.errors import UserError
from input_pipeline.images.augmentations import GaussianBlur, derive_seed, rng_of
from input_pipeline.images.invisible_mark import read_mark, write_mark
from input_pipeline.images.transforms import deliver, jpeg, resize, webp

_FACTORS = (0.25, 0.5, 0.75, 1.25, 1.5, 2.0)
_NOISE_STREAM, _CROP_STREAM = 6, 7  # see derive_seed
POSTED_QUALITY = 85  # JPEG quality of a screenshot that was posted


@dataclass(frozen=True)
class Transformation:
    """One change of an image in one strength."""

    name: str  # of the family, such as 'jpeg'; also one flag's word
    strength: str  # what tells it from others of its family; empty where there is one only
    # Called with the image, where `stream` is set a generator, and the arguments.
    change: Callable[..., np.ndarray]
    arguments: tuple[Any, ...] = ()  # of `change`
    # Number of its random stream, see `derive_seed`; None: nothing is random.
    stream: int | None = None

    def __call__(self, image: np.ndarray, seed: int, index: int) -> np.ndarray:
        """Returns the changed image; ImageTooLargeError where a file format cannot hold it.

        What is random depends on the seed and the image's number in its split alone. All strengths
        of a family draw the same numbers for an image.
        """
        if self.stream is None:
            return self.change(image, *self.arguments)
        rng = rng_of(derive_seed(seed, self.stream), index)
        return self.change(image, rng, *self.arguments)

    @property
    def label(self) -> str:
        """Name and strength, as 'jpeg 90'."""
        return f"{self.name} {self.strength}".rstrip()


def unchanged(image: np.ndarray) -> np.ndarray:
    """Returns the image itself."""
    return image


def scale(image: np.ndarray, factor: float, resample: int) -> np.ndarray:
    """Resizes both sides by a factor, rounded to whole pixels, at least one, by a PIL filter."""
    height, width = (max(1, round(side * factor)) for side in image.shape[:2])
    return resize(image, height, width, resample)


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
    gaps = (side - part for side, part in zip(image.shape[:2], kept, strict=True))
    top, left = (int(rng.integers(0, gap + 1)) for gap in gaps)
    return image[top : top + kept[0], left : left + kept[1]]


def save_twice(image: np.ndarray, first: int, second: int) -> np.ndarray:
    """Sends the image through JPEG twice, on the same grid of blocks."""
    return jpeg(jpeg(image, first), second)


def screenshot(image: np.ndarray, factor: float) -> np.ndarray:
    """Returns what is left of an image that was shown at another size, captured and posted.

    Shown: resized by the factor with PIL's bilinear filter. Captured: nothing is lost. Posted: back
    to its own size with PIL's bicubic filter, then JPEG of `POSTED_QUALITY`.
    """
    shown = scale(image, factor, Image.Resampling.BILINEAR)
    back = resize(shown, image.shape[0], image.shape[1], Image.Resampling.BICUBIC)
    return jpeg(back, POSTED_QUALITY)


def grey(image: np.ndarray) -> np.ndarray:
    """Replaces the colours by PIL's luminance (ITU-R 601-2), the same in all three channels."""
    return np.asarray(Image.fromarray(image).convert("L").convert("RGB"))


def invisible_mark(image: np.ndarray) -> np.ndarray:
    """Writes the mark of Stable Diffusion's script, unless the image carries it already."""
    return image if read_mark(image).is_carried else write_mark(image)


def _family(
    name: str,
    change: Callable[..., np.ndarray],
    strengths: Sequence[float],
    *others: Any,
    stream: int | None = None,
) -> list[Transformation]:
    """One change in several strengths, the first of its arguments."""
    return [Transformation(name, f"{s:g}", change, (s, *others), stream) for s in strengths]


_ALL = [
    *_family("jpeg", jpeg, (95, 90, 80, 70, 60, 50, 40, 30)),
    *_family("webp", webp, (95, 90, 80, 70, 50, 30)),
    *(
        Transformation("double_jpeg", f"{first}+{second}", save_twice, (first, second))
        for first, second in ((95, 75), (75, 95), (75, 75), (50, 90))
    ),
    *_family("resize_bilinear", scale, _FACTORS, Image.Resampling.BILINEAR),
    *_family("resize_bicubic", scale, _FACTORS, Image.Resampling.BICUBIC),
    *_family("resize_lanczos", scale, _FACTORS, Image.Resampling.LANCZOS),
    *_family("screenshot", screenshot, (0.8, 1.25, 1.5, 2.0)),
    *_family("blur", blur, (0.5, 1.0, 2.0, 3.0), stream=GaussianBlur.stream),
    *_family("noise", add_noise, (1.0, 2.0, 4.0, 8.0, 16.0), stream=_NOISE_STREAM),
    *_family("crop", keep_part, (0.9, 0.75, 0.5, 0.25), stream=_CROP_STREAM),
    Transformation("grey", "", grey),
    Transformation("invisible_mark", "", invisible_mark),
    *(Transformation("delivery", how, deliver, (how,)) for how in ("web", "hard")),
]


def transformations(names: str = "") -> tuple[Transformation, ...]:
    """Returns the transformations of the named families; the unchanged image ('clean') is first.

    The names are separated by commas, as 'jpeg,webp'; 'resize' stands for all three filters; empty
    for all. An unknown one raises ValueError.
    """
    families = list(dict.fromkeys(one.name for one in _ALL))
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
    chosen = (one for one in _ALL if one.name in wanted)
    return (Transformation("clean", "", unchanged), *chosen)
