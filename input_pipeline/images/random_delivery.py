"""Random deliveries of training images: what may happen to a picture between its maker and us.

A picture is made smaller (a thumbnail, a preview) or a little larger, blurred, sharpened by noise
and saved again, once or twice. Numbers are drawn once, apart from any picture, so that a photograph
and a generated image can undergo the same; and only the part that a crop needs is computed. The
kinds and shares follow what a small detector of real pictures was trained with (Sieve's training
code, 2026).
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from PIL import Image
from scipy import ndimage

from input_pipeline.errors import UserError
from input_pipeline.images.transforms import enlarge, jpeg, webp

KERNELS = (
    Image.Resampling.BILINEAR,
    Image.Resampling.BICUBIC,
    Image.Resampling.LANCZOS,
    Image.Resampling.BOX,
    Image.Resampling.HAMMING,
)
_BLOCK = 8  # pixels: JPEG's grid
_MARGIN = 16  # pixels around a crop that are saved with it: a block of colour at 4:2:0
_REACH = 12  # pixels of the original beyond a resized window that its kernel may look at


@dataclasses.dataclass(frozen=True)
class RandomDelivery:
    """How often what happens; probabilities from 0 to 1, ranges (lowest, highest).

    Raises:
      ValueError: a setting is not allowed.
    """

    # Of a thumbnail: its long edge is drawn between this many pixels and the picture's own, each
    # ratio as likely.
    thumbnail_probability: float = 0.45
    thumbnail_edge: int = 256
    # Of another scale, where it is no thumbnail.
    scale_probability: float = 0.2
    scale: tuple[float, float] = (0.6, 1.3)
    blur_probability: float = 0.04
    blur_sigma: tuple[float, float] = (0.3, 1.0)  # pixels
    noise_probability: float = 0.04
    noise_sigma: tuple[float, float] = (1.0, 4.0)  # grey levels of 255
    jpeg_probability: float = 0.75
    jpeg_quality: tuple[int, int] = (30, 95)
    webp_probability: float = 0.06  # where it is not saved as JPEG
    webp_quality: tuple[int, int] = (40, 95)
    second_jpeg_probability: float = 0.15
    # A lossless file is saved as JPEG before anything else, so that the trace of a camera's JPEG
    # does not tell the classes apart.
    lossless_jpeg_probability: float = 0.75
    lossless_jpeg_quality: tuple[int, int] = (78, 97)
    # Of crops that begin on the grid of 8 x 8 blocks, as whole pictures do.
    on_grid_probability: float = 0.7

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name.endswith("probability") and not 0 <= value <= 1:
                raise UserError(f"{field.name} is {value}; allowed is 0 to 1.")
            if isinstance(value, tuple) and not (len(value) == 2 and 0 < value[0] <= value[1]):
                raise UserError(f"{field.name} is {value}; give (lowest, highest) above 0.")

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Self | None:
        """Those of `data.random_delivery` in configs/default.py; None where it is off."""
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list | tuple) else value
            for name, value in settings.items()
            if name != "on"
        }
        return cls(**values) if settings["on"] else None

    def draw(self, rng: np.random.Generator) -> "Delivery":
        """Draws one delivery; always as many numbers, whatever they say."""
        chance, strength = rng.random((2, 8))

        def between(number: int, bounds: tuple[float, float]) -> float:
            return bounds[0] + strength[number] * (bounds[1] - bounds[0])

        def whole(number: int, bounds: tuple[int, int]) -> int:
            return int(between(number, (bounds[0], bounds[1] + 1)))

        place, offset = rng.random((2, 2))
        scaled = self.thumbnail_probability + (1 - self.thumbnail_probability) * (
            self.scale_probability
        )
        saved = []
        if chance[1] < self.jpeg_probability:
            saved.append(("jpeg", whole(1, self.jpeg_quality)))
        elif chance[2] < self.webp_probability / max(1 - self.jpeg_probability, 1e-9):
            saved.append(("webp", whole(2, self.webp_quality)))
        if chance[3] < self.second_jpeg_probability:
            saved.append(("jpeg", whole(3, self.jpeg_quality)))
        return Delivery(
            thumbnail=strength[0] if chance[0] < self.thumbnail_probability else None,
            thumbnail_edge=self.thumbnail_edge,
            scale=(
                between(0, self.scale) if self.thumbnail_probability <= chance[0] < scaled else 1.0
            ),
            kernel=KERNELS[rng.integers(len(KERNELS))],
            blur=between(4, self.blur_sigma) if chance[4] < self.blur_probability else 0.0,
            noise=between(5, self.noise_sigma) if chance[5] < self.noise_probability else 0.0,
            noise_seed=int(rng.integers(2**32)),
            saved=tuple(saved),
            lossless_quality=(
                whole(6, self.lossless_jpeg_quality)
                if chance[6] < self.lossless_jpeg_probability
                else 0
            ),
            place=(float(place[0]), float(place[1])),
            offset=(float(offset[0]), float(offset[1])),
            on_grid=bool(chance[7] < self.on_grid_probability),
        )


@dataclasses.dataclass(frozen=True)
class Delivery:
    """What happens to a picture, and which part of it is cut out; the same for any picture."""

    thumbnail: float | None  # 0 to 1: its long edge, from the shortest to the picture's own
    thumbnail_edge: int  # pixels: the shortest
    scale: float
    kernel: Image.Resampling
    blur: float  # sigma in pixels; 0: none
    noise: float  # sigma in grey levels; 0: none
    noise_seed: int
    saved: tuple[tuple[str, int], ...]  # (format, quality), in order
    lossless_quality: int  # JPEG quality of a lossless file's first saving; 0: none
    place: tuple[float, float]  # 0 to 1: (row, column) of the part, among those that fit
    offset: tuple[float, float]  # 0 to 1: of the crop within the part that was saved
    on_grid: bool

    def crop(self, image: np.ndarray, size: int, *, lossless: bool, small: str) -> np.ndarray:
        """Returns the crop [size, size, 3] of the delivered picture.

        Args:
          image: uint8 [h, w, 3], as its maker published it.
          size: pixels.
          lossless: whether its file was.
          small: how a picture below `size` is enlarged, see `transforms.enlarge`.
        """
        image = enlarge(image, size, small)
        part = self._saved_again(self._part(image, size, lossless))
        top, left = (
            self._cell(share, min(_MARGIN, side - size))
            for share, side in zip(self.offset, part.shape[:2], strict=True)
        )
        return part[top : top + size, left : left + size]

    def _part(self, image: np.ndarray, size: int, lossless: bool) -> np.ndarray:
        """Returns a part of the resized picture, at least the crop and at most margins besides."""
        sides = image.shape[:2]
        scale = max(self._scale(max(sides)), size / min(sides))
        resized = [max(size, round(side * scale)) for side in sides]
        shape = [min(side, size + 2 * _MARGIN) for side in resized]
        corner = [
            self._cell(share, whole - part)
            for share, whole, part in zip(self.place, resized, shape, strict=True)
        ]
        if tuple(resized) == tuple(sides):
            window = image[corner[0] : corner[0] + shape[0], corner[1] : corner[1] + shape[1]]
            return self._first_saved(window, lossless)
        steps = [side / whole for side, whole in zip(sides, resized, strict=True)]
        first = [at * step for at, step in zip(corner, steps, strict=True)]
        last = [
            min((at + part) * step, side)
            for at, part, step, side in zip(corner, shape, steps, sides, strict=True)
        ]
        # A window of the original, on the grid of JPEG's blocks and with what the kernel sees.
        reach = [math.ceil(_REACH * max(step, 1)) for step in steps]
        begin = [max(0, int(at) - more) // 16 * 16 for at, more in zip(first, reach, strict=True)]
        end = [math.ceil(at) + more for at, more in zip(last, reach, strict=True)]
        window = self._first_saved(image[begin[0] : end[0], begin[1] : end[1]], lossless)
        box = (first[1] - begin[1], first[0] - begin[0], last[1] - begin[1], last[0] - begin[0])
        return np.asarray(
            Image.fromarray(window).resize((shape[1], shape[0]), self.kernel, box=box)
        )

    def _scale(self, edge: int) -> float:
        if self.thumbnail is None or edge <= self.thumbnail_edge:
            return self.scale
        return float((self.thumbnail_edge / edge) ** (1 - self.thumbnail))

    def _cell(self, share: float, room: int) -> int:
        """A place from 0 to `room`, on the grid of blocks where the crop is to lie on it."""
        step = _BLOCK if self.on_grid else 1
        return int(share * (room // step + 1)) * step

    def _first_saved(self, window: np.ndarray, lossless: bool) -> np.ndarray:
        window = np.ascontiguousarray(window)
        return jpeg(window, self.lossless_quality) if lossless and self.lossless_quality else window

    def _saved_again(self, part: np.ndarray) -> np.ndarray:
        if self.blur:
            part = ndimage.gaussian_filter(part, self.blur, axes=(0, 1))
        if self.noise:
            noise = np.random.default_rng(self.noise_seed).standard_normal(part.shape, np.float32)
            part = np.clip(np.rint(part + self.noise * noise), 0, 255).astype(np.uint8)
        for kind, quality in self.saved:
            part = jpeg(part, quality) if kind == "jpeg" else webp(part, quality)
        return part
