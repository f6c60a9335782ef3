"""Drawings of the scales' weights; each function returns a finished figure."""

import textwrap
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from matplotlib import axes, figure, ticker

from npr_jax.analysis.attention.gates import Gate, by_scale
from npr_jax.analysis.attention.weights import QUARTILES, Findings, Kind
from npr_jax.analysis.figures import style

NAMES = 2.1  # inches for the names of generators
COLUMN = 2.0  # inches for each scale
LINE = 0.26  # inches for each generator
PANEL = (3.4, 3.0)  # inches


@style.styled()
def boxes(findings: Findings, measured: str) -> figure.Figure:
    """Box plots: quartiles, with whiskers from the 5th to the 95th percentile."""

    def draw(ax: axes.Axes, values: Sequence[np.ndarray], places: np.ndarray) -> list:
        """A box for each array, at its place."""
        drawn = ax.boxplot(
            values,
            positions=places,
            orientation="horizontal",
            whis=(QUARTILES[0], QUARTILES[-1]),
            showfliers=False,
            patch_artist=True,
            widths=0.6,
            medianprops={"color": style.ON_LIGHT},
        )
        return drawn["boxes"]

    title = "Weights of the scales: median, quartiles, 5 % to 95 %"
    return _by_scale(findings, title, measured, draw)


@style.styled()
def violins(findings: Findings, measured: str, only: str = "") -> figure.Figure:
    """Violin plots: where the weights of how many images lie, with the median; all or one scale."""

    def draw(ax: axes.Axes, values: Sequence[np.ndarray], places: np.ndarray) -> list:
        drawn = ax.violinplot(
            values, positions=places, orientation="horizontal", widths=0.85, showmedians=True
        )
        for name in ("cmedians", "cmins", "cmaxes", "cbars"):
            drawn[name].set_color(style.BLACK)
            drawn[name].set_linewidth(0.8)
        return list(cast("Any", drawn["bodies"]))

    return _by_scale(findings, "Weights of the scales: their distributions", measured, draw, only)


@style.styled()
def heat_map(findings: Findings, measured: str) -> figure.Figure:
    """Mean weight of each scale for each generator, as colour and number."""
    kinds, scales = findings.kinds, findings.scales
    means = np.array([kind.weights.mean(axis=0) for kind in kinds])
    drawing = style.new_figure(NAMES + 0.8 * len(scales) + 1.0, 1.3 + LINE * len(kinds))
    ax = drawing.add_subplot()
    mesh = ax.pcolormesh(means, cmap=style.SEQUENTIAL, vmin=0, vmax=1)
    for (row, column), value in np.ndenumerate(means):
        ink = style.ON_LIGHT if value > 0.55 else style.ON_DARK
        place = (column + 0.5, row + 0.5)
        ax.text(*place, f"{value:.2f}", ha="center", va="center", color=ink, fontsize=8)
    ax.set_xticks(np.arange(len(scales)) + 0.5, scales)
    _name(ax, kinds, np.arange(len(kinds)) + 0.5)
    ax.invert_yaxis()
    ax.set_xlabel("scale")
    ax.grid(False)
    drawing.colorbar(mesh, ax=ax, pad=0.02).set_label("mean weight")
    _title(drawing, "Mean weight of each scale", measured)
    return drawing


@style.styled()
def gate_panels(found: Sequence[Gate]) -> figure.Figure:
    """Per variant and scale: the weight of each generator beside the AP lost without the scale.

    Markers are means over seeds, bars one standard deviation. The axes differ between panels.
    """
    grouped = by_scale(found)
    columns = len(grouped) if len(grouped) < 4 else 2
    rows = -(-len(grouped) // columns)
    drawing = style.new_figure(PANEL[0] * columns, PANEL[1] * rows + 0.7)
    panels = drawing.subplots(rows, columns, squeeze=False).ravel()
    names = list(dict.fromkeys(gate.generator for gate in found))
    for ax, ((variant, scale), mine) in zip(panels, grouped.items(), strict=False):
        ax.axhline(0, color=style.SOFT, linestyle=":", linewidth=1)
        for gate in mine:
            number = names.index(gate.generator)
            ax.errorbar(
                gate.weight,
                100 * gate.loss,
                yerr=100 * gate.losses.std(ddof=1) if len(gate.losses) > 1 else None,
                color=style.SERIES[number % len(style.SERIES)],
                marker=style.MARKERS[number % len(style.MARKERS)],
                markersize=5.5,
                elinewidth=1,
                linestyle="",
                label=style.shorten(gate.generator, 22),
            )
        ax.margins(0.12)
        ax.xaxis.set_major_locator(ticker.MaxNLocator(4))
        seeds = len(mine[0].losses)
        ax.set_title(f"{style.shorten(variant, 30)}\nwithout {scale} ({seeds} seeds)")
        ax.set(xlabel=f"mean weight of {scale}", ylabel="AP lost without it (points)")
    for ax in panels[len(grouped) :]:
        ax.set_visible(False)
    style.legend_below(panels[0], 4)
    return drawing


Draw = Callable[[axes.Axes, Sequence[np.ndarray], np.ndarray], list]


def _by_scale(
    findings: Findings, title: str, measured: str, draw: Draw, only: str = ""
) -> figure.Figure:
    """One column per scale, one line per generator; photographs blue, generators vermillion."""
    kinds, scales = findings.kinds, (only,) if only else findings.scales
    places = np.arange(len(kinds), dtype=np.float64)
    drawing = style.new_figure(NAMES + COLUMN * len(scales), 1.2 + LINE * len(kinds))
    columns = drawing.subplots(1, len(scales), sharey=True, squeeze=False)[0]
    for ax, scale in zip(columns, scales, strict=True):
        number = findings.scales.index(scale)
        bodies = draw(ax, [kind.weights[:, number] for kind in kinds], places)
        for body, kind in zip(bodies, kinds, strict=True):
            body.set_facecolor(style.GENERATED if kind.label else style.PHOTOGRAPHS)
            body.set_alpha(0.6)
        ax.set(xlim=(-0.03, 1.03), ylim=(len(kinds) - 0.4, -0.6), xlabel=f"weight of {scale}")
    _name(columns[0], kinds, places)
    _title(drawing, title, measured)
    return drawing


def _title(drawing: figure.Figure, title: str, measured: str) -> None:
    """Title and what was measured, in lines as long as the figure is wide."""
    lines = [title, *textwrap.wrap(measured, int(15 * drawing.get_figwidth()))]
    drawing.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=9)


def _name(ax: axes.Axes, kinds: Sequence[Kind], places: np.ndarray) -> None:
    """The generators beside their lines, with family and number of images."""
    names = []
    for kind in kinds:
        family = "" if kind.family in (kind.generator, "photographs") else f" [{kind.family}]"
        names.append(f"{style.shorten(kind.generator, 18)}{family} (n={len(kind.weights)})")
    ax.set_yticks(places, names)
