"""Every variant of a sweep: means and deviations over seeds, and every seed drawn."""

import numpy as np

from npr_jax.analysis import basis, markup, sweep_figures
from npr_jax.analysis.sweep_results import Sweep
from npr_jax.analysis.variants import MEAN, SeedSummary, seed_summary

NAMES = {
    "ap": "AP",
    "auc": "AUC",
    "accuracy": "accuracy at 0.5",
    "best_accuracy": "best accuracy",
}
MEASURES = (
    ("ap", "trained"),
    ("ap", "unseen"),
    ("auc", "unseen"),
    ("accuracy", "unseen"),
    ("best_accuracy", "unseen"),
    ("auc", "control"),
)


def sweep_variants(sweep: Sweep) -> list[str]:
    """A row per variant."""
    columns = {
        (measure, kind): _means(sweep, measure, kind)
        for measure, kind in MEASURES
        if sweep.has(measure, kind)
    }
    parameters = {row["variant"]: row["parameters"] for row in sweep.rows}
    seeds: dict[str, set[int]] = {variant: set() for variant in sweep.variants}
    for row in sweep.rows:
        seeds[row["variant"]].add(row["seed"])
    rows = [
        [
            markup.head(variant + " (baseline)" * (variant == sweep.baseline)),
            markup.cell(f"{int(parameters[variant] or 0):,}"),
            markup.cell(str(len(seeds[variant]))),
            *(_cell(means.get(variant)) for means in columns.values()),
        ]
        for variant in sweep.variants
    ]
    head = ["variant", "parameters", "seeds"]
    head += [f"{NAMES[measure]}, {kind}" for measure, kind in columns]
    caption = (
        "In percent: each run’s mean over its generators; mean and, small, standard deviation over "
        f"seeds. {basis.of_sweep(sweep)}"
    )
    return [
        markup.heading("Variants"),
        markup.table(head, rows, caption),
        markup.note(
            "Trained: the families in the training data. Unseen: all others. Control: made without "
            "up-sampling; 50 is chance. Best accuracy: at the threshold that suits the test images "
            "best, an upper limit."
        ),
    ]


def sweep_seeds(sweep: Sweep) -> list[str]:
    """Every seed as a mark, one panel per measure."""
    drawings = []
    for measure, kind in MEASURES:
        if not sweep.has(measure, kind):
            continue
        means = _means(sweep, measure, kind)
        values = {v: means[v].estimate.values for v in sweep.variants if v in means}
        count = max(summary.n_generators for summary in means.values())
        what = NAMES[measure][0].upper() + NAMES[measure][1:]
        title = f"{what}\n{kind}: {count} generator{'s' * (count != 1)}"
        drawing = sweep_figures.seeds_figure(title, "percent", values, sweep.baseline)
        drawings.append((drawing, f"{NAMES[measure]} on {kind} generators, every seed"))
    if not drawings:
        return []
    return [
        markup.heading("Every seed"),
        markup.note(f"A mark is one run’s mean over generators. {basis.of_sweep(sweep)}"),
        markup.panels(drawings),
    ]


def _means(sweep: Sweep, measure: str, kind: str) -> dict[str, SeedSummary]:
    summaries = seed_summary(sweep.rows, measure, kind=kind)
    return {summary.variant: summary for summary in summaries if summary.generator == MEAN}


def _cell(summary: SeedSummary | None) -> str:
    if summary is None:
        return markup.cell("–")
    estimate = summary.estimate
    small = "" if np.isnan(estimate.std) else f"± {100 * estimate.std:.1f}"
    return markup.cell(f"{100 * estimate.mean:.1f}", small)
