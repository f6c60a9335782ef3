"""What the page of a sweep shows: variants against the baseline, every seed, every generator."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from npr_jax.analysis.figures import sweep as sweep_figures
from npr_jax.analysis.statistics.variants import (
    MEAN,
    SeedSummary,
    VariantComparison,
    compare_with_baseline,
    seed_summary,
)
from npr_jax.analysis.statistics.wording import count_of
from npr_jax.analysis.sweep_results import Sweep

_NAMES = {"ap": "AP", "auc": "AUC", "accuracy": "accuracy at 0.5", "best_accuracy": "best accuracy"}
_SWEEP_MEASURES = (
    ("ap", "trained"),
    ("ap", "unseen"),
    ("auc", "unseen"),
    ("accuracy", "unseen"),
    ("best_accuracy", "unseen"),
    ("auc", "control"),
)
_PROVENANCE = ("data", "data_fingerprint", "split", "delivery", "commit", "date", "machine")


def sweep_context(sweep: Sweep) -> dict[str, Any]:
    """Everything that sweep.html shows."""
    measured = [pair for pair in _SWEEP_MEASURES if sweep.has(*pair)]
    over_seeds = {pair: _means(sweep, *pair) for pair in measured}
    compared = {_NAMES[measure]: _compare(sweep, measure) for measure in ("ap", "accuracy")}
    judged = sweep.has("ap", sweep.judged)
    return {
        "sweep": sweep,
        "short": _short(sweep, compared["AP"]) if judged else None,
        "means": {f"{_NAMES[m]}, {kind}": found for (m, kind), found in over_seeds.items()},
        "seed_panels": [_seed_panel(sweep, *pair, found) for pair, found in over_seeds.items()],
        "generators": _by_generator(sweep),
        "differences": {name: found for name, found in compared.items() if found},
        "made": [
            (column, ", ".join(values))
            for column in _PROVENANCE
            if (values := sorted({str(row[column]) for row in sweep.rows if row.get(column)}))
        ],
    }


def _means(sweep: Sweep, measure: str, kind: str) -> dict[str, SeedSummary]:
    summaries = seed_summary(sweep.rows, measure, kind=kind)
    return {one.variant: one for one in summaries if one.generator == MEAN}


def _compare(sweep: Sweep, measure: str) -> list[VariantComparison]:
    """All other variants with the baseline; p-values adjusted for their number (Holm)."""
    own = [row for row in sweep.rows if row["variant"] == sweep.baseline]
    if not any(row["kind"] == sweep.judged and row[measure] is not None for row in own):
        return []
    return compare_with_baseline(sweep.rows, sweep.baseline, measure, kind=sweep.judged)


def _short(sweep: Sweep, comparisons: Sequence[VariantComparison]) -> dict[str, Any]:
    """What was run, the best variant, and which differ from the baseline by more than noise."""
    over_seeds = _means(sweep, "ap", sweep.judged)
    best = max(over_seeds.values(), key=lambda one: one.estimate.mean)
    return {
        "base": over_seeds.get(sweep.baseline),
        "best": best,
        "what": f"mean AP over {best.n_generators} {sweep.judged} generators",
        "beyond_noise": [one.sentence for one in comparisons if one.beyond_noise],
        "n_compared": len(comparisons),
    }


def _seed_panel(
    sweep: Sweep, measure: str, kind: str, found: Mapping[str, SeedSummary]
) -> tuple[str, str]:
    values = {v: found[v].estimate.values for v in sweep.variants if v in found}
    count = count_of(max(one.n_generators for one in found.values()), "generator")
    title = f"{_NAMES[measure][0].upper()}{_NAMES[measure][1:]}\n{kind}: {count}"
    drawing = sweep_figures.seeds_figure(title, "percent", values, sweep.baseline)
    return drawing, f"{_NAMES[measure]} on {kind} generators, every seed"


def _by_generator(sweep: Sweep) -> dict[str, Any] | None:
    """AP of every variant on every generator: heat maps, and the cells of a table."""
    cells: dict[tuple[str, str], SeedSummary] = {}
    names: dict[str, str] = {}
    for kind in ("trained", "unseen", "control"):
        if sweep.has("ap", kind):
            for one in seed_summary(sweep.rows, "ap", kind=kind):
                if one.generator != MEAN:
                    cells[one.variant, one.generator] = one
                    names[one.generator] = one.generator + ("\u00a0*" if kind == "trained" else "")
    if not cells:
        return None

    def mean(key: tuple[str, str]) -> float:
        return 100 * cells[key].estimate.mean if key in cells else math.nan

    means = np.array([[mean((variant, g)) for g in names] for variant in sweep.variants])
    columns, over = list(names.values()), f"mean over {len(sweep.seeds)} seeds"
    title = f"AP (%), {over}; * = trained on"
    drawing = sweep_figures.heat_figure(title, "AP (%)", means, sweep.variants, columns)
    figures = [(drawing, "AP of each variant on each generator")]
    if len(sweep.variants) > 1:
        base = sweep.variants.index(sweep.baseline)
        gaps = np.delete(means - means[base], base, axis=0)
        others = [variant for variant in sweep.variants if variant != sweep.baseline]
        title = f"AP less that of {sweep.baseline} (points), {over}"
        drawing = sweep_figures.heat_figure(title, "points", gaps, others, columns, diverging=True)
        figures.append((drawing, "Difference in AP from the baseline on each generator"))
    return {"figures": figures, "names": names, "cells": cells}
