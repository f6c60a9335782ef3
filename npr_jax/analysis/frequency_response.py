"""The figure of docs/residuals.md: what each front end does to a grating of each frequency.

    python -m npr_jax.analysis.frequency_response --output=docs/images/residual_response.png

Down-sampling makes these operators vary with place, periodically, and fold high frequencies onto
low ones: a grating does not stay one. What is shown is the mean power of the output for a grating
of power 1, over all places well inside the image (so over all phases), whatever frequency it has
there.
"""

from __future__ import annotations

import argparse
import pathlib
from collections.abc import Sequence

import numpy as np
from matplotlib import axes

from npr_jax.analysis import style
from npr_jax.residual import axis_operator

LENGTH = 480  # pixels of the axis: whole periods of every factor shown
MARGIN = 120  # left out at each end: borders are clamped
FREQUENCIES = np.linspace(0, 0.5, 201)  # cycles per pixel
COLOURS = (style.BLUE, style.ORANGE, style.GREEN, style.VERMILLION, style.PURPLE)
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))


def axis_moments(mode: str, factor: float, frequencies: np.ndarray) -> tuple[np.ndarray, ...]:
    """Of one axis operator R and the grating e: the means of ``conj(e) R e`` and ``|R e|**2``.

    Args:
        mode: one of ``npr_jax.residual.MODES`` but none.
        factor: down-sampling factor.
        frequencies: in cycles per pixel, ``[k]``.

    Returns:
        complex128 ``[k]`` and float64 ``[k]``.
    """
    operator = axis_operator(LENGTH, factor, mode, dtype=np.float64)
    places = np.arange(LENGTH)
    gratings = np.exp(2j * np.pi * places[:, None] * frequencies)
    output = gratings[operator] if operator.ndim == 1 else operator @ gratings
    inner = slice(MARGIN, LENGTH - MARGIN)
    correlation = (gratings.conj() * output)[inner].mean(0)
    return correlation, (np.abs(output[inner]) ** 2).mean(0)


def power_response(mode: str, factor: float, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Mean output power for gratings of power 1, float64 ``[len(rows), len(columns)]``.

    Over phases of rows and columns separately, which the separable operators allow: the residual
    ``e - R_h e R_w^T`` has the mean power ``1 + q_h q_w - 2 Re(g_h g_w)`` with the moments g and q.

    Args:
        mode: a mode, as in ``axis_moments``.
        factor: down-sampling factor.
        rows: vertical frequencies in cycles per pixel.
        columns: horizontal ones.
    """
    row_correlation, row_power = axis_moments(mode, factor, rows)
    column_correlation, column_power = axis_moments(mode, factor, columns)
    power = np.outer(row_power, column_power)
    if mode == "hh":
        return power
    return 1.0 + power - 2.0 * np.outer(row_correlation, column_correlation).real


def draw(path: pathlib.Path) -> None:
    """Writes the figure as PNG."""
    modes = [(mode, 1 / 2, mode) for mode in ("nearest", "bilinear", "bicubic", "area")]
    modes.append(("hh", 1 / 2, "hh (no factor)"))
    names = {"1/8": 1 / 8, "1/4": 1 / 4, "1/3": 1 / 3, "1/2": 1 / 2, "3/4": 3 / 4}
    with style.styled():
        drawing = style.new_figure(11.0, 9.2)
        grid = drawing.subplots(3, 4, height_ratios=(1.15, 1, 1), squeeze=False)
        for place in grid[0]:
            place.remove()
        top = drawing.add_subplot(grid[0, 0].get_gridspec()[0, :])
        top.axis("off")
        panels = [top.inset_axes((x, 0.0, 0.27, 0.86)) for x in (0.04, 0.385, 0.73)]
        _curves(panels[0], "Modes at 1/2, vertical stripes", modes, diagonal=False)
        _curves(panels[1], "Modes at 1/2, diagonal stripes", modes, diagonal=True)
        factors = [("nearest", value, name) for name, value in names.items()]
        _curves(panels[2], "nearest by factor, vertical stripes", factors, diagonal=False)
        maps = [(mode, 1 / 2, f"{mode} 1/2") for mode in ("nearest", "bilinear", "bicubic", "area")]
        maps += [("nearest", names[n], f"nearest {n}") for n in ("1/4", "1/3", "3/4")]
        maps.append(("hh", 1 / 2, "hh"))
        images = [
            _map(place, mode, factor, title)
            for place, (mode, factor, title) in zip(grid[1:].ravel(), maps, strict=True)
        ]
        bar = drawing.colorbar(images[0], ax=grid[1:].ravel().tolist(), shrink=0.7, pad=0.02)
        bar.set_label("mean output power")
        drawing.savefig(path, dpi=110)


def _curves(
    place: axes.Axes, title: str, choices: Sequence[tuple[str, float, str]], *, diagonal: bool
) -> None:
    for (mode, factor, name), colour, dash in zip(choices, COLOURS, DASHES, strict=True):
        if diagonal:
            power = power_response(mode, factor, FREQUENCIES, FREQUENCIES).diagonal()
        else:
            power = power_response(mode, factor, np.zeros(1), FREQUENCIES)[0]
        place.plot(FREQUENCIES, power, color=colour, linestyle=dash, linewidth=1.6, label=name)
    place.set_title(title)
    place.set_xlim(0, 0.5)
    # Room for the legend above the curves.
    place.set_ylim(-0.05, 1.35 * place.dataLim.y1)
    axis = "along each axis (cycles/pixel)" if diagonal else "(cycles/pixel)"
    place.set_xlabel(f"frequency {axis}")
    place.set_ylabel("mean output power")
    place.legend(loc="upper left", ncols=2 if diagonal or len(choices[0][2]) > 4 else 3)


def _map(place: axes.Axes, mode: str, factor: float, title: str):
    frequencies = np.linspace(0, 0.5, 65)
    power = power_response(mode, factor, frequencies, frequencies)
    image = place.imshow(
        power, origin="lower", extent=(0, 0.5, 0, 0.5), vmin=0, vmax=4, cmap="cividis"
    )
    place.grid(visible=False)
    place.set_title(title)
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
    main()
