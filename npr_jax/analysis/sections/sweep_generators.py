"""A sweep by generator: means over seeds, and their differences from the baseline."""

import numpy as np

from npr_jax.analysis import basis, markup, sweep_figures
from npr_jax.analysis.sweep_results import Sweep
from npr_jax.analysis.variants import MEAN, SeedSummary, seed_summary

KINDS = ("trained", "unseen", "control")


def sweep_generators(sweep: Sweep) -> list[str]:
    """AP of every variant on every generator, as heat maps and as a table."""
    cells: dict[tuple[str, str], SeedSummary] = {}
    names: dict[str, str] = {}
    for kind in KINDS:
        if sweep.has("ap", kind):
            for summary in seed_summary(sweep.rows, "ap", kind=kind):
                if summary.generator != MEAN:
                    cells[summary.variant, summary.generator] = summary
                    names[summary.generator] = summary.generator + "\u00a0*" * (kind == "trained")
    if not cells:
        return []
    mean = np.array([[_mean(cells.get((v, g))) for g in names] for v in sweep.variants])
    columns = list(names.values())
    measured = basis.of_sweep(sweep)
    title = f"AP (%), mean over {len(sweep.seeds)} seeds; * = trained on"
    drawing = sweep_figures.heat_figure(title, "AP (%)", mean, sweep.variants, columns)
    alt = "AP of each variant on each generator"
    parts = [
        markup.heading("By generator"),
        markup.figure(drawing, alt, f"{alt}. {measured}", wide=True),
    ]
    if len(sweep.variants) > 1:
        base = sweep.variants.index(sweep.baseline)
        title = f"AP less that of {sweep.baseline} (points), mean over {len(sweep.seeds)} seeds"
        gaps = np.delete(mean - mean[base], base, axis=0)
        others = [variant for variant in sweep.variants if variant != sweep.baseline]
        drawing = sweep_figures.heat_figure(title, "points", gaps, others, columns, diverging=True)
        alt = "Difference in AP from the baseline on each generator"
        parts.append(markup.figure(drawing, alt, f"{alt}. {measured}", wide=True))
    rows = [
        [markup.head(v), *(_cell(cells.get((v, generator))) for generator in names)]
        for v in sweep.variants
    ]
    caption = f"AP in percent: mean and, small, standard deviation over seeds. {measured}"
    head = ["variant", *map(markup.escape, columns)]
    return [*parts, markup.table(head, rows, caption)]


def _mean(summary: SeedSummary | None) -> float:
    return float("nan") if summary is None else 100 * summary.estimate.mean


def _cell(summary: SeedSummary | None) -> str:
    if summary is None:
        return markup.cell("–")
    std = summary.estimate.std
    small = "" if np.isnan(std) else f"± {100 * std:.1f}"
    return markup.cell(f"{_mean(summary):.1f}", small)
