"""Pictures of what a detector looks at: residual maps, and a heat map laid over the image."""

from __future__ import annotations

import dataclasses
import io
import os
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import cm, colors
from PIL import Image, ImageColor

from npr_jax.analysis import style
from npr_jax.residuals.front_end import NONE, FrontEnd

if TYPE_CHECKING:
    from npr_jax.inference.heat_map import HeatMap

RESIDUAL_RANGE = 0.1  # pixel values in [0, 1]; shown from black (-) over grey (0) to white (+)
STRONGEST = 0.75  # opacity of the largest value of a heat map
SHEET_TILE = 2.4  # inches
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
_LONGEST_SIDE = 512  # pixels of what a sheet shows of a picture


def residual_pixels(image: np.ndarray, front_end: FrontEnd) -> np.ndarray:
    """The residual of a whole image as a picture, with one scaling for all images and scales.

    A difference of -``RESIDUAL_RANGE``, 0, +``RESIDUAL_RANGE`` (pixel values in [0, 1]) is
    black, mid-grey, white; channels stay red, green, blue. Larger differences are clipped.

    Args:
        image: uint8 ``[h, w, 3]``.
        front_end: the detector's; its own scaling is left out.

    Returns:
        uint8 ``[h, w, 3]``.
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

    The largest value is the most opaque, 0 is clear.

    Args:
        image: uint8 ``[h, w, 3]``.
        found: its map.

    Returns:
        uint8 ``[h, w, 3]``.
    """
    values = found.to_pixels(*image.shape[:2])
    strength = STRONGEST * np.abs(values) / max(largest(found), 1e-12)
    ends = [ImageColor.getrgb(colour)[:3] for colour in (style.PHOTOGRAPHS, style.GENERATED)]
    colour = np.where(values[..., None] > 0, np.array(ends[1]), np.array(ends[0]))
    grey = (image @ np.array(_LUMA))[..., None]
    mixed = grey + strength[..., None] * (colour - grey)
    return np.rint(np.clip(mixed, 0, 255)).astype(np.uint8)


def largest(found: HeatMap) -> float:
    """The largest absolute value of a map, in logits."""
    return float(np.abs(found.values).max())


def write_png(path: pathlib.Path, image: np.ndarray) -> None:
    """Writes uint8 ``[h, w, 3]`` losslessly, beside its place and renamed."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    Image.fromarray(image).save(beside, "PNG", optimize=True)
    os.replace(beside, path)


def sheet(
    title: str, image: np.ndarray, found: HeatMap | None, tiles: Sequence[tuple[str, np.ndarray]]
) -> bytes:
    """One picture with everything beside it, as a PNG file.

    Args:
        title: of the whole sheet.
        image: uint8 ``[h, w, 3]``.
        found: its heat map; None: there is none.
        tiles: (caption, uint8 ``[h, w, 3]``) of what follows, as residual maps.
    """
    shown = [("as scored", image)]
    if found is not None:
        shown.append(("heat map", overlay(image, found)))
    shown += tiles
    with style.styled():
        drawing = style.new_figure(SHEET_TILE * len(shown) + 0.9, SHEET_TILE + 0.9)
        axes = drawing.subplots(1, len(shown), squeeze=False)[0]
        for ax, (caption, pixels) in zip(axes, shown, strict=True):
            ax.imshow(reduced(pixels), interpolation="nearest")
            ax.set_title(style.shorten(caption, 34))
            ax.set_xticks([])
            ax.set_yticks([])
            ax.grid(False)
        if found is not None:
            limit = largest(found)
            ends = [style.PHOTOGRAPHS, "#dddddd", style.GENERATED]
            scale = cm.ScalarMappable(
                colors.Normalize(-limit, limit), colors.LinearSegmentedColormap.from_list("", ends)
            )
            bar = drawing.colorbar(scale, ax=axes.tolist(), shrink=0.9, pad=0.01)
            bar.set_label("logit: orange generated,\nblue photograph")
        drawing.suptitle(style.shorten(title, 110), x=0.01, ha="left", fontsize=9)
        buffer = io.BytesIO()
        drawing.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()


def reduced(pixels: np.ndarray) -> np.ndarray:
    """Every k-th pixel of what is too large to be shown whole: no interpolation of its own.

    k is odd: residuals have blocks of an even size, in which one pixel is always zero.
    """
    step = -(-max(pixels.shape[:2]) // _LONGEST_SIDE)
    step += step % 2 == 0
    return pixels[::step, ::step]
