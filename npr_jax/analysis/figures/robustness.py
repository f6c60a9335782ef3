"""The figure of `robustness`: AUC and balanced accuracy over each transformation's strength."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import axes, figure

from npr_jax.analysis.figures import style

COLUMNS = 4
PANEL = (2.75, 2.1)  # inches
LETTERS_PER_INCH = 14  # of the title
# Title and axis of each family's panel; the mildest strength comes first.
PANELS = {
    "jpeg": ("JPEG", "quality"),
    "webp": ("WebP", "quality"),
    "double_jpeg": ("JPEG twice", "first + second quality"),
    "delivery": ("deliveries", "web: 1024 px, JPEG 75; hard: 512, 40"),
    "resize_bilinear": ("resized, bilinear", "factor"),
    "resize_bicubic": ("resized, bicubic", "factor"),
    "resize_lanczos": ("resized, Lanczos", "factor"),
    "screenshot": ("screenshot-like", "factor shown at"),
    "blur": ("Gaussian blur", "standard deviation (pixels)"),
    "noise": ("Gaussian noise", "standard deviation (grey levels)"),
    "crop": ("crop", "share of each side kept"),
    "grey": ("grey", ""),
    "invisible_mark": ("Stable Diffusion's mark", ""),
}
_LINES = (
    ("auc", "AUC", style.BLUE, "o", "-"),
    ("balanced_accuracy", "balanced accuracy at 0.5", style.VERMILLION, "s", "--"),
)


@style.styled()
def draw(results: Mapping[str, Any]) -> figure.Figure:
    """The figure of the results of `robustness`."""
    measured = {row["transformation"] for row in results["rows"]}
    families = [name for name in PANELS if name in measured] or ["clean"]
    columns = min(COLUMNS, len(families))
    lines = -(-len(families) // columns)
    width = max(PANEL[0] * columns, 4.5)
    title = textwrap.fill(_title(results), int(LETTERS_PER_INCH * width))
    height = PANEL[1] * lines + 0.7 + 0.15 * (title.count("\n") + 1)
    drawing = style.new_figure(width, height)
    grid = drawing.subplots(lines, columns, sharey=True, squeeze=False)
    for place, family in enumerate(families):
        _panel(grid.flat[place], results, family, first=place % columns == 0)
    for ax in grid.flat[len(families) :]:
        ax.set_axis_off()
    style.legend_below(grid.flat[0], min(4, columns + 1))
    drawing.suptitle(title, fontsize=9, x=0.01, ha="left")
    return drawing


def _title(results: Mapping[str, Any]) -> str:
    meta, generators = results["meta"], count_generators(results)
    detector = f"{meta['model']}" + (f", seed {meta['seed']}," if meta["seed"] is not None else "")
    text = (
        f"{detector} on {style.shorten(results['name'], 40)}: {results['n_photographs']:,} "
        f"photographs, {results['n_generated']:,} generated images. Means over {generators} "
        f"generator{'s' * (generators != 1)}; band: AUC of the lowest and the highest of them"
    )
    empty = any(row["auc"] is None for row in results["rows"] if row["kind"] == "mean")
    return text + ("; crosses: no image could be scored" if empty else "")


def count_generators(results: Mapping[str, Any]) -> int:
    """Generators behind the means; controls are none of them."""
    return len({row["generator"] for row in results["rows"] if row["kind"] == "generator"})


def _panel(ax: axes.Axes, results: Mapping[str, Any], family: str, *, first: bool) -> None:
    rows = [row for row in results["rows"] if row["transformation"] in ("clean", family)]
    means = [row for row in rows if row["kind"] == "mean"]
    if family.startswith("resize_"):
        means.sort(key=lambda row: float(row["strength"] or 1))  # unchanged is a factor of 1
    places = np.arange(len(means))
    low, high = auc_range(rows, means)
    ax.fill_between(places, low, high, color=style.SKY, alpha=0.3, linewidth=0, label="AUC, range")
    for key, name, colour, marker, line in _LINES:
        values = np.array([np.nan if row[key] is None else 100 * row[key] for row in means])
        ax.plot(places, values, line, color=colour, marker=marker, markersize=3.5, label=name)
    ax.axhline(50, color=style.BLACK, linestyle=":", linewidth=1, label="chance")
    for place, row in enumerate(means):
        if row["auc"] is None:
            ax.plot(place, 50, "x", color=style.BLACK, markersize=6)
    ax.set_xticks(places, [row["strength"] or row["transformation"] for row in means])
    ax.tick_params(axis="x", rotation=45 if len(means) > 6 or family == "double_jpeg" else 0)
    ax.set(ylim=(0, 103), xlim=(-0.4, max(len(means) - 0.6, 0.4)))
    title, axis = PANELS.get(family, (family, ""))
    ax.set_title(title)
    ax.set(xlabel=axis, ylabel="%" if first else "")


def auc_range(
    rows: Sequence[Mapping[str, Any]], means: Sequence[Mapping[str, Any]]
) -> tuple[list[float], list[float]]:
    """Lowest and highest AUC in percent over the generators, for each of the means; or nan."""
    low, high = [], []
    for mean in means:
        values = [
            100 * row["auc"]
            for row in rows
            if row["kind"] == "generator"
            and row["auc"] is not None
            and (row["transformation"], row["strength"])
            == (mean["transformation"], mean["strength"])
        ]
        low.append(min(values, default=np.nan))
        high.append(max(values, default=np.nan))
    return low, high
