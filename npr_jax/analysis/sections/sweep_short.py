"""The top of a sweep's page: what was run, and what it says about the baseline."""

import numpy as np

from npr_jax.analysis import basis, markup
from npr_jax.analysis.markup import escape
from npr_jax.analysis.sections.sweep_differences import compare
from npr_jax.analysis.sweep_results import Sweep
from npr_jax.analysis.variants import MEAN, seed_summary


def sweep_short(sweep: Sweep) -> list[str]:
    """Runs, baseline and best variant; which variants differ by more than noise."""
    said = [markup.note(basis.of_sweep(sweep))]
    kind = sweep.judged
    if not sweep.has("ap", kind):
        return said
    means = {s.variant: s for s in seed_summary(sweep.rows, "ap", kind=kind) if s.generator == MEAN}
    best = max(means, key=lambda variant: means[variant].estimate.mean)
    comparisons = compare(sweep, "ap")
    beyond = [comparison for comparison in comparisons if comparison.beyond_noise]
    what = f"mean AP over {means[best].n_generators} {kind} generators"
    tiles = [
        (_spread(means, sweep.baseline), f"baseline {sweep.baseline}: {what}"),
        (_spread(means, best), f"highest, {best}: {what}"),
        (
            f"{len(beyond)} of {len(comparisons)}",
            "variants whose AP differs from the baseline’s by more than noise",
        ),
    ]
    boxes = "".join(
        f'<div class="tile"><b>{escape(value)}</b><span>{escape(words)}</span></div>'
        for value, words in tiles
    )
    sentences = "".join(f"<li>{escape(comparison.sentence)}</li>" for comparison in beyond)
    return [
        f'<div class="tiles">{boxes}</div>',
        *said,
        '<p class="soft">± is the standard deviation over seeds. The others are compared with '
        f"“{escape(sweep.baseline)}”; <code>--baseline=VARIANT</code> chooses another. The highest "
        "of several means is high partly by chance: read the comparison, which allows for their "
        "number.</p>",
        markup.heading("Differences beyond noise"),
        f"<ul>{sentences}</ul>"
        if beyond
        else markup.note("No variant’s AP differs from the baseline’s by more than noise."),
    ]


def _spread(means: dict, variant: str) -> str:
    if variant not in means:
        return "–"
    estimate = means[variant].estimate
    text = f"{100 * estimate.mean:.1f}"
    return text if np.isnan(estimate.std) else f"{text}\u00a0±\u00a0{100 * estimate.std:.1f}"
