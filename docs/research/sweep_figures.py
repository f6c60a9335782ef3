"""A whole sweep in one figure."""

import textwrap

import numpy as np
from matplotlib import figure

from docs.research.families import by_family
from docs.research.result_table import ResultTable
from docs.research.wording import capital
from npr_jax.analysis.figures import style

DARK = 0.55  # share of the colour scale below which letters are white


def generator_map(table: ResultTable, measure: str = "auc") -> figure.Figure:
    """A heat map of a measure: variants by generators, each cell the mean over seeds in percent.

    Args:
        table: of any sweep.
        measure: a column, such as ``auc``.
    """
    generators = (*by_family(table.generators()), *table.generators("control"))
    rows = [
        np.nanmean(table.points(variant, generators, table.seeds([variant]), measure), axis=0)
        for variant in table.variants
    ]
    values = np.stack(rows)
    with style.styled():
        drawing = style.new_figure(2.6 + 0.55 * len(generators), 1.7 + 0.28 * len(table.variants))
        ax = drawing.add_subplot()
        mesh = ax.pcolormesh(values, cmap=style.SEQUENTIAL, edgecolors="white", linewidth=0.5)
        low, high = mesh.get_clim()
        for (line, column), value in np.ndenumerate(values):
            dark = value < low + DARK * (high - low)
            ax.text(
                column + 0.5,
                line + 0.5,
                f"{value:.0f}",
                ha="center",
                va="center",
                fontsize=8,
                color=style.ON_DARK if dark else style.ON_LIGHT,
            )
        ax.set_yticks(np.arange(len(table.variants)) + 0.5, table.variants)
        names = [style.shorten(name, 18) for name in generators]
        ax.set_xticks(np.arange(len(generators)) + 0.5, names, rotation=35, ha="right")
        ax.invert_yaxis()
        ax.grid(visible=False)
        facts = textwrap.wrap(capital(table.sample()), 12 + 9 * len(generators))
        ax.set_title("\n".join([f"{table.name}: {measure}, mean over seeds", *facts]))
        drawing.colorbar(mesh, ax=ax, label=f"{measure} (%)", shrink=0.9)
        return drawing
