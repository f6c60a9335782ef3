"""How figures look, and how they become text.

Figures are drawn through matplotlib's objects, never through pyplot's global state, on white, as
for print; a page turns the neutral colours named here to the reader's theme (inline_svg.py).
Colours of series are Okabe and Ito's, which people with the common colour-vision deficiencies can
tell apart; the colour maps are as safe, and the sequential one also rises evenly in lightness.
"""

import base64
import contextlib
import io
import warnings
from collections.abc import Iterator
from typing import Any

import matplotlib
import numpy as np
from matplotlib import axes, figure
from PIL import Image

from npr_jax.inference.evidence_images import GENERATED_COLOUR, PHOTOGRAPH_COLOUR

WHITE, GRID, SOFT = "#ffffff", "#dddddd", "#777777"
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILLION, PURPLE, YELLOW = "#0072B2", "#D55E00", "#CC79A7", "#F0E442"
PHOTOGRAPHS, GENERATED = PHOTOGRAPH_COLOUR, GENERATED_COLOUR
SERIES = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION, YELLOW, BLACK)
MARKERS = ("o", "s", "^", "v", "P", "X", "<", ">")
# Text on a coloured area: near white and near black, which no theme turns round.
ON_DARK, ON_LIGHT = "#fefefe", "#010101"
SEQUENTIAL, DIVERGING = "cividis", "PuOr"  # names of matplotlib's colour maps
PNG_DPI = 200

_SETTINGS: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "axes.titlelocation": "left",
    "axes.titlepad": 8.0,
    "axes.labelsize": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "legend.fontsize": 8.0,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "hatch.linewidth": 0.6,
    "svg.fonttype": "none",
    "svg.hashsalt": "npr_jax",
    "text.parse_math": False,
    "text.usetex": False,
}


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """Draw and save figures inside this; the caller's matplotlib settings return afterwards."""
    with matplotlib.rc_context(_SETTINGS), warnings.catch_warnings():
        # A name in a script DejaVu lacks is still drawn by the reader's own fonts.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


def new_figure(width: float, height: float) -> figure.Figure:
    """An empty figure of `width` x `height` inches at 96 pixels per inch of the page."""
    return figure.Figure(figsize=(width, height), dpi=96, layout="constrained")


def panel(width: float, height: float) -> tuple[figure.Figure, axes.Axes]:
    """A new figure and its one pair of axes."""
    drawing = new_figure(width, height)
    return drawing, drawing.add_subplot()


def legend_below(ax: axes.Axes, columns: int = 2) -> None:
    """What the axes name, below the whole figure."""
    handles, labels = ax.get_legend_handles_labels()
    drawing = ax.get_figure()
    if handles and drawing is not None:
        drawing.legend(handles, labels, loc="outside lower center", ncols=columns)


@styled()
def figure_files(drawing: figure.Figure, name: str) -> dict[str, bytes]:
    """The figure as ``name``.svg and ``name``.png; the same figure gives the same bytes."""
    contents = {}
    for kind, metadata in (("svg", {"Date": None, "Creator": None}), ("png", {"Software": None})):
        buffer = io.BytesIO()
        drawing.savefig(buffer, format=kind, dpi=PNG_DPI, metadata=metadata)
        contents[f"{name}.{kind}"] = buffer.getvalue()
    return contents


@styled()
def svg(drawing: figure.Figure) -> str:
    """The figure as SVG text, a whole file on white; text stays text, and bytes are the same."""
    buffer = io.BytesIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    drawing.savefig(buffer, format="svg", metadata=nothing)
    content = buffer.getvalue().decode("utf-8")
    # Without the document type, which names an address outside of it.
    return content[content.index("<svg") :]


def image_uri(image: np.ndarray, quality: int | None = None) -> str:
    """A uint8 [h, w, 3] image as a data URI: PNG, or JPEG where a quality is given."""
    buffer = io.BytesIO()
    kind = "jpeg" if quality else "png"
    options: dict[str, Any] = {"quality": quality} if quality else {"optimize": True}
    Image.fromarray(image).save(buffer, kind.upper(), **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def shorten(name: str, length: int = 26) -> str:
    """The name with its middle left out where it is longer than `length` characters."""
    if len(name) <= length:
        return name
    head = (length - 1) // 2
    return f"{name[:head]}…{name[len(name) - (length - 1 - head) :]}"
