"""Where in a picture the evidence lies: a coarse map, from a system's positions or by occlusion.

Systems whose logit is a mean over positions have the exact map (see ``position_maps``). For
all others each part of the picture is covered in turn, and the map says by how much the logit
falls (Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, ECCV 2014, section
4.2).
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Self

import numpy as np

from input_pipeline.errors import UserError
from npr_jax.inference.detector import Detector

METHODS = ("auto", "positions", "occlusion")
# Covered copies of one picture; a finer map of a large one would take minutes.
MAX_WINDOWS = 256
# Steps are multiples of it, so that a window's edges lie on edges of the residuals' blocks.
STEP_UNIT = 8

UNITS = {
    "positions": "what the position adds to the logit, which is the mean of all",
    "occlusion": "by how much the logit falls when the place is covered",
}


@dataclasses.dataclass(frozen=True)
class HeatMap:
    """Evidence over a picture; positive values speak for generated, negative for a photograph."""

    values: np.ndarray  # float32 ``[rows, columns]``, logits, see ``UNITS``
    stride: float  # pixels between neighbouring positions; a whole number unless `reduced`
    first: float  # pixel, along either axis, at which the first position is centred
    method: str  # ``positions`` or ``occlusion``

    @property
    def unit(self) -> str:
        """What a value is, in words."""
        return UNITS[self.method]

    def reduced(self, step: int) -> Self:
        """The map of the picture's every ``step``-th pixel along either axis."""
        return dataclasses.replace(self, stride=self.stride / step, first=self.first / step)

    def to_pixels(self, height: int, width: int) -> np.ndarray:
        """Linearly interpolated to float32 ``[height, width]``; beyond the outermost, constant."""
        rows = _weights(height, self.values.shape[0], self.stride, self.first)
        columns = _weights(width, self.values.shape[1], self.stride, self.first)
        return (rows @ self.values.astype(np.float64) @ columns.T).astype(np.float32)


def heat_map(detector: Detector, image: np.ndarray, method: str = "auto") -> HeatMap:
    """The map of one picture, uint8 ``[h, w, 3]`` as it is scored, see ``Detector.read``.

    ``method`` is ``positions``, ``occlusion``, or ``auto``: positions where the system has them.
    ``UserError`` for another one, for ``positions`` of a system without, or too large an image.
    """
    if method not in METHODS:
        raise UserError(f"the method of the heat map is {method!r}; allowed: {', '.join(METHODS)}")
    has_positions = hasattr(detector.model, "position_logits")
    if method == "occlusion" or (method == "auto" and not has_positions):
        step = occlusion_step(*image.shape[:2])
        values = occlusion(detector.logits, image, step)
        return HeatMap(values, step, (step - 1) / 2, "occlusion")
    maps = detector.maps(image)
    stride, field = (int(number) for number in maps["grid"])
    # Unpadded layers see `field` pixels from stride * i on; padded ones are centred there.
    first = (field - 1) / 2 if field else 0.0
    return HeatMap(maps["position_logits"], stride, first, "positions")


def occlusion_step(height: int, width: int) -> int:
    """Pixels between covered places: the finest multiple of ``STEP_UNIT`` that is affordable."""
    step = STEP_UNIT
    while -(-height // step) * -(-width // step) > MAX_WINDOWS:
        step += STEP_UNIT
    return step


def occlusion(
    logits: Callable[[Iterator[np.ndarray]], np.ndarray], image: np.ndarray, step: int
) -> np.ndarray:
    """By how much the logit falls when each place of a picture is covered, all in one stream.

    A place is a square of ``step`` pixels, an even number, with half as much around it; it is
    covered by its own mean colour, in which no pixel differs from its neighbours. The image is
    uint8 ``[h, w, 3]``, ``logits`` are as ``Detector.logits``; float32
    ``[ceil(h / step), ceil(w / step)]``.
    """
    rows, columns = (-(-length // step) for length in image.shape[:2])

    def pictures() -> Iterator[np.ndarray]:
        yield image
        for row in range(rows):
            for column in range(columns):
                yield covered(image, row * step, column * step, step)

    whole, *parts = logits(pictures())
    return (whole - np.array(parts, np.float32)).reshape(rows, columns)


def covered(image: np.ndarray, top: int, left: int, step: int) -> np.ndarray:
    """A copy with one place of ``occlusion`` covered; ``top`` and ``left`` are its square's."""
    around = step // 2
    place = tuple(slice(max(0, p - around), p + step + around) for p in (top, left))
    result = image.copy()
    result[place] = np.rint(image[place].mean((0, 1))).astype(np.uint8)
    return result


def _weights(length: int, positions: int, stride: float, first: float) -> np.ndarray:
    """Linear interpolation of one axis, float64 ``[length, positions]``."""
    places = np.clip((np.arange(length) - first) / stride, 0, positions - 1)
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(positions)))
