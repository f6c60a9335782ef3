"""The figure of docs/residuals.md: what each front end does to a grating of each frequency.

    python -m docs.research.frequency_response --output=docs/images/residual_response.png

Down-sampling makes these operators vary with place, periodically, and fold high frequencies onto
low ones: a grating does not stay one. What is shown is the mean power of the output for a grating
of power 1, over all places well inside the image (so over all phases), whatever frequency it has
there.
"""

import argparse
import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np
from matplotlib import axes

from docs.research.scripts import run_script
from npr_jax.analysis.figures import style
from npr_jax.residuals.residual import RESIDUAL_MODES, axis_operator

LENGTH = 480  # pixels of the axis: whole periods of every factor shown
MARGIN = 120  # left out at each end: borders are clamped
FREQUENCIES = np.linspace(0, 0.5, 201)  # cycles per pixel
COLOURS = (style.BLUE, style.ORANGE, style.GREEN, style.VERMILLION, style.PURPLE)
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
FACTORS = {"1/8": 1 / 8, "1/4": 1 / 4, "1/3": 1 / 3, "1/2": 1 / 2, "3/4": 3 / 4}


@dataclasses.dataclass(frozen=True)
class Curve:
    """A front end of the figure, and what a legend calls it; ``phase`` of both axes."""

    name: str
    mode: str
    factor: float = 0.5
    phase: int = 0

    def power(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """See ``power_response``."""
        return power_response(self.mode, self.factor, rows, columns, phase=self.phase)


def axis_moments(
    mode: str, factor: float, frequencies: np.ndarray, phase: int = 0
) -> tuple[np.ndarray, ...]:
    """Of one axis operator R and the grating e: the means of ``conj(e) R e`` and ``|R e|**2``.

    Args:
        mode: one of ``npr_jax.residuals.residual.MODES`` but none.
        factor: down-sampling factor.
        frequencies: in cycles per pixel, ``[k]``.
        phase: of nearest, in pixels.

    Returns:
        complex128 ``[k]`` and float64 ``[k]``.
    """
    operator = axis_operator(LENGTH, factor, mode, phase=phase, dtype=np.float64)
    places = np.arange(LENGTH)
    gratings = np.exp(2j * np.pi * places[:, None] * frequencies)
    output = gratings[operator] if operator.ndim == 1 else operator @ gratings
    inner = slice(MARGIN, LENGTH - MARGIN)
    correlation = (gratings.conj() * output)[inner].mean(0)
    return correlation, (np.abs(output[inner]) ** 2).mean(0)


def power_response(
    mode: str, factor: float, rows: np.ndarray, columns: np.ndarray, *, phase: int = 0
) -> np.ndarray:
    """Mean output power for gratings of power 1, float64 ``[len(rows), len(columns)]``.

    Over phases of rows and columns separately, which the separable operators allow: the residual
    ``e - R_h e R_w^T`` has the mean power ``1 + q_h q_w - 2 Re(g_h g_w)`` with the moments g and q.

    Args:
        mode: a mode, as in ``axis_moments``.
        factor: down-sampling factor.
        rows: vertical frequencies in cycles per pixel.
        columns: horizontal ones.
        phase: of nearest, along both axes.
    """
    row_correlation, row_power = axis_moments(mode, factor, rows, phase)
    column_correlation, column_power = axis_moments(mode, factor, columns, phase)
    power = np.outer(row_power, column_power)
    if mode == "hh":
        return power
    return 1.0 + power - 2.0 * np.outer(row_correlation, column_correlation).real


def draw(path: pathlib.Path) -> None:
    """Writes the figure as PNG."""
    modes = [Curve(mode, mode) for mode in RESIDUAL_MODES] + [Curve("hh (no factor)", "hh")]
    with style.styled():
        drawing = style.new_figure(14.0, 13.5)
        drawing.suptitle(f"Mean output power for gratings of power 1, axes of {LENGTH} pixels")
        grid = drawing.subplots(4, 4, squeeze=False)
        _curves(grid[0, 0], "modes at 1/2, stripes", modes)
        _curves(grid[0, 1], "modes at 1/2, diagonal stripes", modes, diagonal=True)
        _curves(grid[0, 2], "nearest by reference pixel, stripes", _phases())
        _curves(
            grid[0, 3], "nearest by factor, diagonal stripes", _by_factor("nearest"), diagonal=True
        )
        for place, mode in zip(grid[1], RESIDUAL_MODES, strict=True):
            _curves(place, f"{mode} by factor, stripes", _by_factor(mode))
        maps = [Curve(f"{mode} 1/2", mode) for mode in RESIDUAL_MODES]
        maps += [Curve(f"nearest {n}", "nearest", FACTORS[n]) for n in ("1/4", "1/3", "3/4")]
        maps.append(Curve("hh", "hh"))
        places = grid[2:].ravel()
        images = [_map(place, curve) for place, curve in zip(places, maps, strict=True)]
        bar = drawing.colorbar(images[0], ax=places.tolist(), shrink=0.7, pad=0.02)
        bar.set_label("mean output power")
        drawing.savefig(path, dpi=90)


def _by_factor(mode: str) -> list[Curve]:
    return [Curve(name, mode, factor) for name, factor in FACTORS.items()]


def _phases() -> list[Curve]:
    """Reference pixels whose distances to their blocks' pixels differ; others mirror these."""
    choices = (("1/2", 0), ("1/3", 0), ("1/3", 1), ("1/4", 0), ("1/4", 1))
    return [Curve(f"{name}, {phase}", "nearest", FACTORS[name], phase) for name, phase in choices]


def _curves(
    place: axes.Axes, title: str, curves: Sequence[Curve], *, diagonal: bool = False
) -> None:
    for curve, colour, dash in zip(curves, COLOURS, DASHES, strict=True):
        if diagonal:
            power = curve.power(FREQUENCIES, FREQUENCIES).diagonal()
        else:
            power = curve.power(np.zeros(1), FREQUENCIES)[0]
        place.plot(FREQUENCIES, power, color=colour, linestyle=dash, linewidth=1.6)
    place.set_title(title)
    place.set_xlim(0, 0.5)
    # Room for the legend above the curves.
    place.set_ylim(-0.05, 1.5 * place.dataLim.y1)
    axis = "along each axis (cycles/pixel)" if diagonal else "(cycles/pixel)"
    place.set_xlabel(f"frequency {axis}")
    place.set_ylabel("mean output power")
    place.legend([curve.name for curve in curves], loc="upper left", ncols=2)


def _map(place: axes.Axes, curve: Curve):
    frequencies = np.linspace(0, 0.5, 65)
    power = curve.power(frequencies, frequencies)
    image = place.imshow(
        power, origin="lower", extent=(0, 0.5, 0, 0.5), vmin=0, vmax=4, cmap="cividis"
    )
    place.grid(visible=False)
    place.set_title(curve.name)
    place.set_xticks([0, 0.25, 0.5])
    place.set_yticks([0, 0.25, 0.5])
    place.set_xlabel("horizontal (cycles/pixel)")
    place.set_ylabel("vertical (cycles/pixel)")
    return image


def main() -> None:
    """Draws the figure."""
    parser = argparse.ArgumentParser(description="The frequency responses of the front ends.")
    parser.add_argument("--output", type=pathlib.Path, required=True, help="PNG file to write")
    draw(parser.parse_args().output)


if __name__ == "__main__":
    run_script(main)
