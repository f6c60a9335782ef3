"""The sheet of a scored picture: the picture, its heat map and its residuals side by side."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import cm, colors

from npr_jax.analysis.figures import style
from npr_jax.inference.evidence_images import largest, overlay

if TYPE_CHECKING:
    from npr_jax.inference.heat_map import HeatMap

SHEET_TILE = 2.4  # inches
_LONGEST_SIDE = 512  # pixels of what a sheet shows of a picture


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
