"""Figures of a sweep: every seed of every variant, and variants by generators."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from npr_jax.analysis.figures import style

WIDTH = 3.9  # inches, of a list of names with marks
CELL = (0.62, 0.3)  # inches, of a heat map
FAINT = 0.45  # what lies below this share of a colour map's range is dark


@style.styled()
def seeds_figure(
    title: str, label: str, values: Mapping[str, Sequence[float]], baseline: str
) -> str:
    """A line per variant: a ring for each seed, a diamond for their mean.

    Args:
        title, label: of the figure and its axis.
        values: {variant: shares in [0, 1], one per seed}, shown in percent.
        baseline: the variant whose mean is drawn as a vertical line through all.
    """
    drawing, ax = style.panel(WIDTH, 1.4 + 0.27 * len(values))
    ax.set_title(title)
    if baseline in values:
        mean = 100 * float(np.mean(values[baseline]))
        ax.axvline(mean, color=style.SOFT, linestyle="--", linewidth=1, label="mean of baseline")
    look: dict[str, Any] = {"linestyle": "", "clip_on": False}
    for place, numbers in enumerate(values.values()):
        ring, diamond = (None, None) if place else ("one seed", "mean over seeds")
        shares = 100 * np.asarray(numbers)
        rings = look | {"color": style.BLUE, "markerfacecolor": "none", "markersize": 5}
        ax.plot(shares, np.full(shares.size, place), marker="o", label=ring, **rings)
        diamonds = look | {"color": style.VERMILLION, "markersize": 6}
        ax.plot([shares.mean()], [place], marker="D", label=diamond, **diamonds)
    names = [f"{style.shorten(name, 20)} (n={len(v)})" for name, v in values.items()]
    ax.set_yticks(np.arange(len(names)), names)
    for tick, name in zip(ax.get_yticklabels(), values, strict=True):
        tick.set_fontweight("bold" if name == baseline else "normal")
    ax.set(ylim=(len(names) - 0.5, -0.5), xlabel=label)
    style.legend_below(ax)
    return style.svg(drawing)


@style.styled()
def heat_figure(
    title: str,
    label: str,
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    diverging: bool = False,
) -> str:
    """A coloured table with its numbers.

    Args:
        title, label: of the figure and its colour bar.
        values: float [rows, columns], as they are to be written, NaN where unknown.
        rows, columns: names.
        diverging: colours lie evenly about 0, for differences; otherwise they span the values.
    """
    wide, high = CELL[0] * len(columns), CELL[1] * len(rows)
    drawing, ax = style.panel(wide + 2.6, high + 1.7)
    ax.set_title(title)
    low, high = _limits(values, diverging)
    colours = style.DIVERGING if diverging else style.SEQUENTIAL
    mesh = ax.pcolormesh(
        np.ma.masked_invalid(values), cmap=colours, vmin=low, vmax=high, edgecolors="face"
    )
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            shown = round(float(value), 1) + 0.0  # no minus before a zero
            text = f"{shown:+.1f}" if diverging else f"{shown:.1f}"
            red, green, blue, _ = mesh.cmap(mesh.norm(value))
            dark = 0.299 * red + 0.587 * green + 0.114 * blue < FAINT
            ink = style.ON_DARK if dark else style.ON_LIGHT
            place = (column + 0.5, row + 0.5)
            ax.annotate(text.replace("-", "−"), place, ha="center", va="center", color=ink)
    ax.set_xticks(
        np.arange(len(columns)) + 0.5,
        [style.shorten(name, 18) for name in columns],
        rotation=35,
        ha="right",
        rotation_mode="anchor",
    )
    ax.set_yticks(np.arange(len(rows)) + 0.5, [style.shorten(name, 22) for name in rows])
    ax.invert_yaxis()
    ax.grid(False)
    bar = drawing.colorbar(mesh, ax=ax, shrink=0.9, pad=0.02)
    bar.set_label(label)
    if bar.solids is not None:
        bar.solids.set(edgecolor="face", rasterized=False)
    return style.svg(drawing)


def _limits(values: np.ndarray, diverging: bool) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0
    if diverging:
        reach = max(float(np.abs(finite).max()), 1e-9)
        return -reach, reach
    low, high = float(finite.min()), float(finite.max())
    return (low, high) if low < high else (low - 1.0, high)
