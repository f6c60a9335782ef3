"""The report's figures. Each function draws one panel and returns it as SVG text.

Panels are narrow, one subject each: a page sets several beside each other on a desktop and one
below the other on a phone, and the letters keep their size.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import ticker
from PIL import Image

from npr_jax.analysis.figures import style
from npr_jax.inference.evidence_images import residual_pixels
from npr_jax.residuals.front_end import FrontEnd

PANEL = (3.5, 2.8)  # inches
WIDE = 3.9  # inches, for a list of names with markers or bars
BINS = 30
METRIC_NAMES = {"loss": "loss (nats)", "ap": "AP", "auc": "AUC"}
CROP = 96  # pixels per side of what is shown of a residual map
THUMBNAIL = 160
MAX_NAMES = 24  # generators in the overview


@style.styled()
def curve_panel(metric: str, splits: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> str:
    """One metric over training steps, a line per split ("train", "validation")."""
    drawing, ax = style.panel(*PANEL)
    looks = {"train": (style.BLUE, "-", ""), "validation": (style.VERMILLION, "--", "o")}
    for number, (split, (steps, values)) in enumerate(sorted(splits.items())):
        colour, line, marker = looks.get(split, (style.SERIES[number % 8], ":", ""))
        mark = "o" if len(steps) == 1 else marker
        label = f"{split} ({len(steps)} points)"
        ax.plot(steps, values, line, color=colour, marker=mark, markersize=3.5, label=label)
    name = METRIC_NAMES.get(metric, metric.replace("_", " "))
    ax.set_title(f"{style.shorten(name, 40)} during training")
    ax.set(xlabel="training step", ylabel=style.shorten(name, 28))
    ax.xaxis.set_major_locator(ticker.MaxNLocator(5, integer=True))
    if metric == "learning_rate":
        ax.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3))
    style.legend_below(ax)
    return style.svg(drawing)


@style.styled()
def roc_panel(row: Mapping[str, Any], labels: np.ndarray, logits: np.ndarray) -> str:
    """ROC curve of one generator; `row` is its line of the results, both classes are present."""
    from sklearn import metrics  # slow to import, needed only here

    drawing, ax = style.panel(PANEL[0], 3.5)
    false_positives, true_positives, _ = metrics.roc_curve(labels, logits)
    ax.plot([0, 100], [0, 100], ":", color=style.SOFT, linewidth=1, label="chance")
    look: dict[str, Any] = {"color": style.BLUE, "linewidth": 1.8, "clip_on": False}
    label = f"detector, AUC {100 * row['auc']:.1f} %"
    ax.plot(100 * false_positives, 100 * true_positives, label=label, **look)
    counts = row["confusion"]
    at_half = (
        100 * (counts["fp"] / row["n_photographs"]),
        100 * (counts["tp"] / row["n_generated"]),
    )
    ax.plot(*at_half, "o", color=style.VERMILLION, clip_on=False, label="threshold 0.5")
    ax.set(xlim=(0, 100), ylim=(0, 100), aspect="equal")
    ax.set_title(_title(row))
    ax.set(xlabel="photographs called generated (%)", ylabel="generated, called so (%)")
    ax.legend(loc="lower right")
    return style.svg(drawing)


def logit_range(logits: np.ndarray) -> tuple[float, float]:
    """Range for all histograms of one evaluation: 0 and the middle 99 % of the logits."""
    low, high = np.percentile(logits, (0.5, 99.5))
    low, high = min(low, 0.0), max(high, 0.0)
    margin = 0.05 * max(high - low, 1.0)
    return float(low - margin), float(high + margin)


@style.styled()
def histogram_panel(
    row: Mapping[str, Any], labels: np.ndarray, logits: np.ndarray, limits: tuple[float, float]
) -> str:
    """Logits of one generator's images and of its photographs, as shares of each class.

    What lies outside `limits` is counted in the outermost bins.
    """
    drawing, ax = style.panel(*PANEL)
    bins = np.linspace(*limits, BINS + 1)
    inside = np.clip(logits, *limits)
    for label, name, colour, hatch in (
        (0, "photographs", style.PHOTOGRAPHS, None),
        (1, "generated", style.GENERATED, "////"),
    ):
        mine = inside[labels == label]
        if mine.size:
            shares = 100 * np.histogram(mine, bins)[0] / mine.size
            ax.stairs(shares, bins, fill=True, color=colour, alpha=0.35, hatch=hatch)
            ax.stairs(shares, bins, color=colour, linewidth=1.3, label=name)
    ax.axvline(0, color=style.BLACK, linestyle="--", linewidth=1)
    ax.set_title(_title(row))
    ax.set(xlim=limits, xlabel="logit (above 0: called generated)", ylabel="share of the class (%)")
    style.legend_below(ax)
    return style.svg(drawing)


@style.styled()
def attention_figure(attention: Mapping[str, Any]) -> str:
    """Mean weight of each scale, one bar per generator; photographs at the top."""
    rows, scales = attention["rows"], attention["scales"]
    drawing, ax = style.panel(WIDE, 1.4 + 0.3 * len(rows))
    ax.set_title("Mean weight of each scale")
    left = np.zeros(len(rows))
    heights = np.arange(len(rows))
    means = np.array([row["mean"] for row in rows])
    for number, scale in enumerate(scales):
        colour = style.SERIES[number % len(style.SERIES)]
        width = means[:, number]
        ax.barh(heights, width, left=left, height=0.72, color=colour, label=f"scale {scale}")
        for place, (value, start) in enumerate(zip(width, left, strict=True)):
            if value > 0.1:
                dark = colour in (style.BLUE, style.VERMILLION)
                ink = style.ON_DARK if dark else style.ON_LIGHT
                text = f"{value:.2f}"
                ax.text(start + value / 2, place, text, ha="center", va="center", color=ink)
        left += width
    names = [f"{style.shorten(row['generator'], 18)} (n={row['n']})" for row in rows]
    ax.set_yticks(heights, names)
    for tick, row in zip(ax.get_yticklabels(), rows, strict=True):
        tick.set_color(style.GENERATED if row["label"] else style.PHOTOGRAPHS)
    ax.set(xlim=(0, 1), ylim=(len(rows) - 0.4, -0.6), xlabel="mean weight of the scale")
    ax.grid(False)
    style.legend_below(ax, columns=3)
    return style.svg(drawing)


@style.styled()
def dot_figure(
    names: Sequence[str], series: Mapping[str, Sequence[float | None]], label: str, title: str
) -> str:
    """Shares in [0, 1], shown in percent: a line per name, a marker per series.

    The first of `series` is black and filled, the others are outlined; `label` says what is shown.
    """
    drawing, ax = style.panel(WIDE, 1.7 + 0.28 * len(names))
    ax.set_title(title)
    heights = np.arange(len(names))
    ax.axvline(50, color=style.SOFT, linestyle=":", linewidth=1)
    for number, (name, values) in enumerate(series.items()):
        known = np.array([np.nan if value is None else 100 * value for value in values])
        first = number == 0
        colour = style.BLACK if first else style.SERIES[(number - 1) % 7]
        ax.plot(
            known,
            heights,
            linestyle="",
            marker="D" if first else style.MARKERS[(number - 1) % 8],
            markersize=6.5,
            color=colour,
            markerfacecolor=colour if first else "none",
            markeredgewidth=1.5,
            label=style.shorten(name.replace("_", " ")),
            clip_on=False,
        )
    ax.set_yticks(heights, [style.shorten(name, 22) for name in names])
    shares = [100 * value for values in series.values() for value in values if value is not None]
    lowest = max(min(shares, default=42) - 2, 0)
    ax.set(xlim=(min(40, lowest), 100), ylim=(len(names) - 0.5, -0.5), xlabel=label)
    style.legend_below(ax)
    return style.svg(drawing)


def overview(results: Mapping[str, Any], title: str) -> str:
    """AP and accuracy on each generator, those trained on first; ``MAX_NAMES`` at most."""
    rows = sorted(results["generators"], key=lambda row: not row["trained"])[:MAX_NAMES]
    series = {"AP": [row["ap"] for row in rows]}
    series["accuracy at 0.5"] = [row["accuracy"] for row in rows]
    names = [row["generator"] + " *" * row["trained"] for row in rows]
    return dot_figure(names, series, "percent; * = trained on", title)


def baselines(
    rows: Sequence[tuple[str, float | None, Mapping[str, Any]]], classifiers: Sequence[str]
) -> str:
    """AUC of the detector and of cheap classifiers on each family of ``tables.baseline_rows``."""
    series: dict[str, list[float | None]] = {"detector": [auc for _, auc, _ in rows]}
    series |= {name: [values.get(name) for *_, values in rows] for name in classifiers}
    names = [family for family, *_ in rows]
    return dot_figure(names, series, "AUC (%); 50 = chance", "AUC beside cheap classifiers")


def residual_tiles(image: np.ndarray, front_ends: Sequence[FrontEnd]) -> list[tuple[str, str]]:
    """A sample image, its centre, and the centre as each front end sees it.

    The residual is computed on the whole image and then cut, so that blocks lie as the detector
    sees them; its scaling is that of ``evidence_images.residual_pixels``.

    Args:
        image: uint8 [h, w, 3].
        front_ends: the detector's; their own scaling is left out.

    Returns:
        (caption, data URI) of each tile.
    """
    height, width = image.shape[:2]
    top, left = max(0, (height - CROP) // 2), max(0, (width - CROP) // 2)
    centre = (slice(top, top + CROP), slice(left, left + CROP))
    small = Image.fromarray(image)
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    side = f"{min(CROP, width)}×{min(CROP, height)} pixels"
    tiles = [
        (f"whole image, {width}×{height}", style.image_uri(np.asarray(small), quality=85)),
        (f"its centre, {side}", style.image_uri(image[centre])),
    ]
    for front_end in front_ends:
        pixels = residual_pixels(image, front_end)[centre]
        tiles.append((f"residual, scale {front_end.name}", style.image_uri(pixels)))
    return tiles


def _title(row: Mapping[str, Any]) -> str:
    counts = f"{row['n_photographs']} photographs, {row['n_generated']} generated"
    return f"{style.shorten(row['generator'], 34)}\n{counts}"
