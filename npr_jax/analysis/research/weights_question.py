"""Do the attention weights differ by family, are they consistent within one, and do they tell
which scale the detector needs?"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from matplotlib import figure

from npr_jax.analysis import style
from npr_jax.analysis.research.answer import Answer, missing
from npr_jax.analysis.research.comparisons import Comparison, compare, pair
from npr_jax.analysis.research.families import by_family, family_of
from npr_jax.analysis.research.multiscale_question import ATTENTION
from npr_jax.analysis.research.result_table import WEIGHT, ResultTable
from npr_jax.analysis.research.wording import (
    capital,
    counted,
    interval,
    listed,
    probability,
    signed,
)

REMOVED = {"0.25": "0.5+0.75", "0.5": "0.25+0.75", "0.75": "0.25+0.5"}  # what is left without it


def weights(table: ResultTable | None, name: str = "weights") -> Answer:
    """How the weights of three scales spread over seeds, generators and families."""
    if table is None or ATTENTION not in table.variants:
        return missing(name, "scales")
    seeds, scales = table.seeds([ATTENTION]), table.scales(ATTENTION)
    generators = by_family(g for g in table.generators() if family_of(g) != "-")
    columns = [f"{WEIGHT}{scale}" for scale in scales]
    # [scales, seeds, generators], in percent.
    values = np.stack([table.points(ATTENTION, generators, seeds, c) for c in columns])
    photographs = np.stack([table.points(ATTENTION, ["photographs"], seeds, c) for c in columns])
    if len(seeds) < 2:
        return missing(name, table.name, "fewer than two seeds have run")
    distances, p_value, smallest = family_test(values.mean(axis=1), generators)
    removals = _removals(table)
    return Answer(
        name,
        short=_verdict(values, p_value, removals, scales),
        paragraph=_text(values, photographs, scales, distances, p_value, smallest)
        + _removal_text(values, scales, removals),
        table=_table(values, photographs, scales, generators),
        caption=(
            f"Mean attention weight of each scale, one panel per seed, {ATTENTION}. "
            f"{capital(table.only_variants([ATTENTION]).sample())}."
        ),
        figure=_figure(values, photographs, scales, generators, seeds),
    )


def family_test(
    weights: np.ndarray, generators: Sequence[str]
) -> tuple[tuple[float, float], float, float]:
    """Whether generators of one family have more similar weights than those of different ones.

    All ways to deal the families' names to the generators are tried, keeping the sizes: p is the share
    in which the mean distance between families exceeds that within them by at least as much.

    Args:
        weights: mean weight of each scale, float ``[scales, generators]``.
        generators: their names, each with a family.

    Returns:
        The mean distances (total variation) within and between families, p, and the least p
        that so many generators allow.
    """
    labels = [family_of(name) for name in generators]
    difference = np.abs(weights[:, :, None] - weights[:, None, :]).sum(axis=0) / 2
    upper = np.triu_indices(len(labels), 1)
    arrangements = sorted(set(itertools.permutations(labels)))
    gaps = []
    for names in (labels, *arrangements):
        same = np.array(names)[upper[0]] == np.array(names)[upper[1]]
        gaps.append(difference[upper][~same].mean() - difference[upper][same].mean())
    same = np.array(labels)[upper[0]] == np.array(labels)[upper[1]]
    found = float(difference[upper][same].mean()), float(difference[upper][~same].mean())
    reached = np.array(gaps[1:])
    p_value = float((reached >= gaps[0] - 1e-9).mean())
    return found, p_value, float((reached >= reached.max() - 1e-9).mean())
