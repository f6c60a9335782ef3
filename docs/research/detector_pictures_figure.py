"""Draws pictures, their heat maps and their delivery curves, for docs/detector.md."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import axes, cm, colors
from PIL import Image

from npr_jax.analysis.figures import style
from npr_jax.detectors.calibration import Calibration
from npr_jax.inference.evidence_images import overlay
from npr_jax.inference.heat_map import HeatMap

if TYPE_CHECKING:
    from docs.research.detector_pictures import Picture

SMOOTH = 16  # pixels a side over which a map is averaged: single places are far apart
CELL = 32  # the same where its picture may not be seen
_ROW, _PICTURE, _CURVE = 2.35, 2.6, 4.4  # inches
_NAMES = {"clean": "unchanged", "delivery web": "web", "delivery hard": "hard"}
_DPI = 100
_MAP = colors.LinearSegmentedColormap.from_list("", [style.PHOTOGRAPHS, "#dddddd", style.GENERATED])


@style.styled()
def draw(
    pictures: Mapping[str, Picture],
    maps: Mapping[str, HeatMap],
    calibration: Calibration,
    title: str,
    with_pixels: bool,
) -> bytes:
    """A PNG file with a row for each picture: (itself,) its heat map, its delivery curve.

    Args:
        pictures: {role: picture}.
        maps: {role: its heat map}.
        calibration: whose limits the curves show.
        title: of the detector.
        with_pixels: whether the pictures are shown; otherwise their maps alone, coarse.
    """
    columns = 3 if with_pixels else 2
    widths = [_PICTURE] * (columns - 1) + [_CURVE]
    drawing = style.new_figure(sum(widths) + 0.4, _ROW * len(pictures) + 0.5)
    grid = drawing.subplots(len(pictures), columns, squeeze=False, width_ratios=widths)
    for row, (role, picture) in zip(grid, pictures.items(), strict=True):
        kind = "generated" if picture.label else "photograph"
        if with_pixels:
            row[0].imshow(picture.pixels, interpolation="antialiased")
            row[0].set_title(f"{kind}: {style.shorten(picture.name, 30)}", fontsize=8)
            row[0].set_anchor("W")
        map_ax, curve_ax = row[-2:]
        found = maps[role]
        limit = _heat(map_ax, picture, found, with_pixels)
        name = "" if with_pixels else f"{kind}: {style.shorten(picture.name, 34)}\n"
        map_ax.set_title(f"{name}heat map, ±{limit:.1f} logits", fontsize=8)
        map_ax.set_anchor("W")
        for ax in row[:-1]:
            ax.set(xticks=[], yticks=[])
            ax.grid(visible=False)
        _curve(curve_ax, picture, calibration)
    for ax in grid[:-1, -1]:
        ax.set_xticklabels([])
    scale = cm.ScalarMappable(colors.Normalize(-1, 1), _MAP)
    bar = drawing.colorbar(
        scale, ax=grid[:, :-1], location="bottom", shrink=0.7, pad=0.01, aspect=40
    )
    bar.set_ticks([-1, 0, 1], labels=["photograph", "nothing", "generated"])
    drawing.suptitle(
        f"{title}: {len(pictures)} pictures, where the evidence lies and how the logit changes "
        "with delivery\n(heat map: orange speaks for generated, blue for a photograph)",
        x=0.01,
        ha="left",
        fontsize=9,
    )
    buffer = io.BytesIO()
    drawing.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    drawn = Image.open(buffer).convert("RGB")
    palette = drawn.quantize(256)
    smaller = io.BytesIO()
    drawn.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(
        smaller, "PNG", optimize=True
    )
    return smaller.getvalue()


def _heat(ax: axes.Axes, picture: Picture, found: HeatMap, with_pixels: bool) -> float:
    """Draws the map; the logit that has the full colour."""
    height, width = picture.pixels.shape[:2]
    if with_pixels:
        shown = smooth(found, SMOOTH)
        ax.imshow(overlay(picture.pixels, shown), interpolation="antialiased")
        return float(np.abs(shown.values).max())
    values = smooth(found, CELL).values
    limit = float(np.abs(values).max())
    extent = (0.0, float(width), float(height), 0.0)
    ax.imshow(values, cmap=_MAP, vmin=-limit, vmax=limit, extent=extent, interpolation="nearest")
    return limit


def smooth(found: HeatMap, side: int) -> HeatMap:
    """The mean of the map in cells of ``side`` pixels a side, what is over being left out."""
    size = max(1, round(side / found.stride))
    rows, columns = (max(1, length // size) for length in found.values.shape)
    kept = found.values[: rows * size, : columns * size]
    return dataclasses.replace(
        found,
        values=kept.reshape(rows, -1, columns, kept.shape[1] // columns).mean((1, 3)),
        stride=found.stride * size,
        first=found.first + found.stride * (size - 1) / 2,
    )


def _curve(ax: axes.Axes, picture: Picture, calibration: Calibration) -> None:
    """The logit after each delivery, and the limits of the verdicts."""
    places = np.arange(len(picture.logits))
    values = np.array(list(picture.logits.values()))
    colour = style.GENERATED if picture.label else style.PHOTOGRAPHS
    marker = "s" if picture.label else "o"
    limits = (
        (calibration.generated_from, style.GENERATED, " generated\n from here"),
        (calibration.photograph_to, style.PHOTOGRAPHS, " photograph\n to here"),
    )
    beside = ax.get_yaxis_transform()
    for limit, of_verdict, name in limits:
        if limit is None:
            continue
        ax.axhline(limit, color=of_verdict, linestyle="--", linewidth=1)
        ax.text(1, limit, name, color=of_verdict, fontsize=7, va="center", transform=beside)
    # Deliveries are no scale: only those of one family are joined.
    families = [name.split()[0] for name in picture.logits]
    for family in dict.fromkeys(families):
        of_it = [place for place, name in enumerate(families) if name == family]
        ax.plot(places[of_it], values[of_it], color=colour, marker=marker, markersize=4)
    names = [_NAMES.get(name, name.replace("resize_bicubic ", "× ")) for name in picture.logits]
    ax.set_xticks(places, names, rotation=40, ha="right")
    known = [limit for limit, *_ in limits if limit is not None]
    low, high = min([*values, *known]), max([*values, *known])
    ax.set_ylim(low - 0.12 * (high - low) - 0.2, high + 0.12 * (high - low) + 0.2)
    ax.set_xlim(-0.5, len(places) - 0.5)
    ax.set_ylabel("logit")
