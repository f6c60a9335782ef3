"""Pictures of what a detector looks at: residual maps, and a heat map laid over the image."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageColor

from input_pipeline.storage.atomic_files import whole_file
from npr_jax.residuals.front_end import NONE, FrontEnd

if TYPE_CHECKING:
    from npr_jax.inference.heat_map import HeatMap

PHOTOGRAPH_COLOUR, GENERATED_COLOUR = "#0072B2", "#D55E00"  # Okabe and Ito's blue, vermillion
RESIDUAL_RANGE = 0.1  # pixel values in [0, 1]; shown from black (-) over grey (0) to white (+)
STRONGEST = 0.75  # opacity of the largest values of a heat map
# Percentile of a map's absolute values from which on they count as largest: the very largest is of
# one position, and all others would be as much paler.
_LARGEST_FROM = 99
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def residual_pixels(image: np.ndarray, front_end: FrontEnd) -> np.ndarray:
    """The residual of a uint8 image ``[h, w, 3]`` as another, with one scaling for all.

    A difference of -``RESIDUAL_RANGE``, 0, +``RESIDUAL_RANGE`` (pixel values in [0, 1]) is black,
    mid-grey, white; channels stay red, green, blue. Larger differences are clipped; the detector's
    own scaling is left out.
    """
    return shown_residual(np.asarray(unscaled(front_end)(image[None]))[0])


def unscaled(front_end: FrontEnd) -> FrontEnd:
    """The view in pixel values in [0, 1], without the detector's own scaling."""
    return dataclasses.replace(front_end, scale=(1 / 255,) * 3, offset=(0.0,) * 3)


def shown_residual(values: np.ndarray) -> np.ndarray:
    """What ``residual_pixels`` makes of an ``unscaled`` residual, float of any shape: uint8."""
    shown = 0.5 + 0.5 * values / RESIDUAL_RANGE
    return np.rint(255 * np.clip(shown, 0, 1)).astype(np.uint8)


def residuals(front_ends: Sequence[FrontEnd]) -> list[FrontEnd]:
    """Those that subtract something: where a network sees pixels, the image is all there is."""
    return [front_end for front_end in front_ends if front_end.mode != NONE]


def overlay(image: np.ndarray, found: HeatMap) -> np.ndarray:
    """A heat map over the grey image: orange speaks for generated, blue for a photograph.

    Values of ``full_colour`` and more are the most opaque, 0 is clear; uint8 ``[h, w, 3]`` to the
    same.
    """
    values = found.to_pixels(*image.shape[:2])
    strength = STRONGEST * np.minimum(np.abs(values) / full_colour(found), 1)
    ends = [ImageColor.getrgb(colour)[:3] for colour in (PHOTOGRAPH_COLOUR, GENERATED_COLOUR)]
    colour = np.where(values[..., None] > 0, np.array(ends[1]), np.array(ends[0]))
    grey = (image @ np.array(_LUMA))[..., None]
    mixed = grey + strength[..., None] * (colour - grey)
    return np.rint(np.clip(mixed, 0, 255)).astype(np.uint8)


def full_colour(found: HeatMap) -> float:
    """The absolute value, in logits, from which on a map's colours are strongest; above 0."""
    values = np.abs(found.values)
    return float(np.percentile(values, _LARGEST_FROM)) or max(float(values.max()), 1e-12)


def largest(found: HeatMap) -> float:
    """The largest absolute value of a map, in logits."""
    return float(np.abs(found.values).max())


def write_png(path: pathlib.Path, image: np.ndarray) -> None:
    """Writes uint8 ``[h, w, 3]`` losslessly, the file whole or not at all."""
    with whole_file(path) as file:
        Image.fromarray(image).save(file, "PNG", optimize=True)
