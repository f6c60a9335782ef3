"""What the front ends' linear algebra predicts, before anything is trained.

Two things are computed. Information: the dimensions that one residual adds to another
(docs.research.residual_identities). Contrast: how much of the scene a residual lets
through beside a trace, for a scene with the power spectrum of natural images, 1/f**2 (Field,
J. Opt. Soc. Am. A 4, 1987), and a trace that is white.
"""

import dataclasses
import functools

import numpy as np

from docs.research.frequency_response import power_response
from docs.research.residual_identities import FACTORS, View, added_rank
from npr_jax.residuals.residual import axis_operator

SIZE = 64  # pixels per side of the sweeps' images: the grid of frequencies of the scene
RANK_SIZE = 16  # pixels per side where ranks are counted: divisible by 8, as 64 is
SCALES = tuple(View("nearest", factor) for factor in ("1/8", "1/4", "1/2", "3/4"))
OTHERS = (View("bilinear"), View("bicubic"), View("area"), View("hh"))


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What is known of a front end beforehand.

    Attributes:
        view: the front end.
        distance: mean distance of a pixel from its reference along one axis, in pixels; None
            where the reference is a weighted mean of pixels.
        adds: dimensions per channel of a 16x16 image that it adds to nearest 1/4, of 256.
        scene: mean power of the output for a 1/f**2 scene of power 1.
        trace: the same for a white trace of power 1.
    """

    view: View
    distance: float | None
    adds: int
    scene: float
    trace: float

    @property
    def contrast(self) -> float:
        """Power of the trace in that of the scene, both of power 1 in the image."""
        return self.trace / self.scene


@functools.cache
def predict(view: View) -> Prediction:
    """The prediction for a front end on the sweeps' images."""
    scene, trace = powers(view.mode, FACTORS[view.factor])
    adds = added_rank(View("nearest", "1/4"), view, RANK_SIZE)
    return Prediction(view, reference_distance(view), adds, scene, trace)


def powers(mode: str, factor: float) -> tuple[float, float]:
    """Mean output power for a 1/f**2 scene (less its mean) and for white noise, of power 1 each."""
    frequencies = np.arange(-SIZE // 2, SIZE // 2) / SIZE
    rows, columns = np.meshgrid(frequencies, frequencies, indexing="ij")
    squared = rows**2 + columns**2
    scene = np.divide(1.0, squared, out=np.zeros_like(squared), where=squared > 0)
    response = power_response(mode, factor, frequencies, frequencies)
    return float((scene * response).sum() / scene.sum()), float(response.mean())


def reference_distance(view: View) -> float | None:
    """Mean distance in pixels between a pixel and its reference along one axis, nearest only."""
    if view.mode != "nearest":
        return None
    references = axis_operator(SIZE, FACTORS[view.factor], view.mode, phase=view.phase[0])
    return float(np.abs(np.arange(SIZE) - references).mean())


def prediction_table() -> str:
    """The predictions as a Markdown table."""
    lines = [
        "| residual | mean distance to the reference (pixels) | dimensions it adds to nearest 1/4 "
        "| scene power passed | trace power passed | trace ÷ scene |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for view in (*SCALES, *OTHERS):
        known = predict(view)
        distance = "-" if known.distance is None else f"{known.distance:.2f}"
        lines.append(
            f"| {view.name} | {distance} | {known.adds} | {known.scene:.2f} | {known.trace:.2f} "
            f"| {known.contrast:.1f} |"
        )
    return "\n".join(lines)
