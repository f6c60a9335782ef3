"""The architecture figure: single-scale NPR and the multi-scale attention detector, as vectors."""

from matplotlib import axes, figure, patches

from npr_jax.analysis.figures import style

WIDTH, HEIGHT = 10.0, 5.0  # of the drawing's own units, one inch each at 7.6 inches
BOX = 0.62  # height of a box
MULTI, SINGLE = (3.95, 2.95, 1.95), 0.55  # heights of the rows
SCALES = ("0.25", "0.5", "0.75")


def architecture() -> figure.Figure:
    """Both detectors, from the image to the logit."""
    with style.styled():
        drawing = style.new_figure(7.6, 4.1)
        ax = drawing.add_subplot()
        ax.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
        ax.axis("off")
        _multi_scale(ax)
        _single_scale(ax)
        return drawing


def _multi_scale(ax: axes.Axes) -> None:
    middle = MULTI[1]
    ax.text(0.0, 4.75, "Multi-scale attention", weight="bold", va="center")
    _box(ax, 0.0, middle, 1.25, "image\nuint8 RGB", style.GRID)
    for row, (height, scale) in enumerate(zip(MULTI, SCALES, strict=True)):
        colour = style.SERIES[row]
        _arrow(ax, (1.25, middle), (1.6, height))
        _box(ax, 1.6, height, 1.75, f"x − U(D(x))\nfactor {scale}", colour)
        _arrow(ax, (3.35, height), (3.65, height))
        _box(ax, 3.65, height, 1.8, "light ResNet\n64 → 128", colour)
        _arrow(ax, (5.45, height), (5.8, height))
        _box(ax, 5.8, height, 0.95, f"h{row + 1}\n128", colour)
        _arrow(ax, (6.75, height), (8.05, middle + 0.15 * (1 - row)))
    _box(ax, 7.0, 1.5, 1.95, "MLP on h1, h2, h3\nsoftmax: a1, a2, a3", style.YELLOW)
    # From the last feature down into the MLP, and the weights up into the sum.
    _arrow(ax, (6.5, MULTI[2] - BOX / 2), (7.0, 1.5))
    ax.text(6.35, 1.42, "all h", fontsize=7.5, ha="center", va="center")
    _arrow(ax, (8.4, 1.5 + BOX / 2), (8.4, middle - BOX / 2))
    ax.text(8.5, 2.22, "weights\nper image", fontsize=7.5, va="center")
    _box(ax, 8.05, middle, 0.85, "Σ ak hk", style.GRID)
    _arrow(ax, (8.9, middle), (9.15, middle))
    _box(ax, 9.15, middle, 0.85, "linear\nlogit", style.GRID)


def _single_scale(ax: axes.Axes) -> None:
    ax.text(0.0, 1.12, "NPR (single scale)", weight="bold", va="center")
    _box(ax, 0.0, SINGLE, 1.25, "image\nuint8 RGB", style.GRID)
    _box(ax, 1.6, SINGLE, 1.75, "x − U(D(x))\nfactor 0.5", style.SERIES[1])
    _box(ax, 3.65, SINGLE, 1.8, "ResNet-50 cut after\nstage 2, mean", style.SERIES[1])
    _box(ax, 5.8, SINGLE, 0.95, "h\n512", style.SERIES[1])
    _box(ax, 9.15, SINGLE, 0.85, "linear\nlogit", style.GRID)
    for start, end in ((1.25, 1.6), (3.35, 3.65), (5.45, 5.8), (6.75, 9.15)):
        _arrow(ax, (start, SINGLE), (end, SINGLE))


def _box(ax: axes.Axes, left: float, middle: float, width: float, text: str, colour: str) -> None:
    box = patches.FancyBboxPatch(
        (left, middle - BOX / 2),
        width,
        BOX,
        boxstyle="round,pad=0,rounding_size=0.08",
        facecolor=colour,
        alpha=0.3,
        linewidth=0,
    )
    ax.add_patch(box)
    ax.text(left + width / 2, middle, text, ha="center", va="center", fontsize=8)


def _arrow(ax: axes.Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    ax.annotate(
        "",
        xy=end,
        xytext=start,
        arrowprops={"arrowstyle": "-|>", "color": style.BLACK, "linewidth": 0.9, "shrinkA": 1},
    )
