"""The reliability diagram of a calibration, before and after it."""

from collections.abc import Mapping
from typing import Any

from matplotlib import axes, figure

from npr_jax.analysis.figures import style


@style.styled()
def draw(results: Mapping[str, Any]) -> figure.Figure:
    """The figure of what `npr_jax.evaluation.calibrate` keeps."""
    drawing = style.new_figure(6.4, 4.4)
    grid = drawing.subplots(2, 2, sharex=True, sharey="row", height_ratios=(3, 1))
    for column, (key, title) in enumerate((("before", "as scored"), ("after", "calibrated"))):
        measured = results["measured"][key]
        _reliability(grid[0, column], measured["bins"])
        grid[0, column].set_title(f"{title}: calibration error {100 * measured['ece']:.1f} %")
        _counts(grid[1, column], measured["bins"])
    grid[0, 0].set_ylabel("share generated (%)")
    grid[1, 0].set_ylabel("scores")
    style.legend_below(grid[0, 0])
    meta, deliveries = results["meta"], ", ".join(results["measured"]["deliveries"])
    drawing.suptitle(
        f"{meta['model']}, seed {meta['seed']}, step {results['checkpoint']['step']}: "
        f"{results['n_photographs']} photographs and {results['n_generated']} generated images,\n"
        f"each as {deliveries}, either half calibrated by the other;\n"
        f"{style.shorten(meta['images'], 90)}",
        fontsize=9,
        x=0.01,
        ha="left",
    )
    return drawing


def _reliability(ax: axes.Axes, bins: list[Mapping[str, Any]]) -> None:
    said = [100 * row["mean_probability"] for row in bins]
    was = [100 * row["share_generated"] for row in bins]
    below = [max(0.0, 100 * (row["share_generated"] - row["interval"][0])) for row in bins]
    above = [max(0.0, 100 * (row["interval"][1] - row["share_generated"])) for row in bins]
    ax.plot([0, 100], [0, 100], ":", color=style.BLACK, linewidth=1, label="as it should be")
    look: dict[str, Any] = {"fmt": "o", "color": style.BLUE, "markersize": 4, "linewidth": 1}
    label = "scores of one bin, with 95 % interval"
    ax.errorbar(said, was, yerr=(below, above), label=label, **look)
    ax.set(xlim=(-3, 103), ylim=(-3, 103))


def _counts(ax: axes.Axes, bins: list[Mapping[str, Any]]) -> None:
    for row in bins:
        width = 100 * (row["high"] - row["low"])
        ax.bar(100 * row["low"], row["n"], width=width, align="edge", color=style.SKY)
    ax.set_xlabel("probability of being generated (%)")
