"""Every variant of a sweep against the baseline, paired by seed."""

from npr_jax.analysis import basis, markup
from npr_jax.analysis.conclusions import format_p, points
from npr_jax.analysis.markup import escape
from npr_jax.analysis.sections.sweep_variants import NAMES
from npr_jax.analysis.sweep_results import Sweep
from npr_jax.analysis.variants import VariantComparison, compare_with_baseline

MEASURES = ("ap", "accuracy")  # those of the paper's tables


def compare(sweep: Sweep, measure: str) -> list[VariantComparison]:
    """All other variants with the baseline; p-values adjusted for their number (Holm)."""
    measured = {
        row["variant"]
        for row in sweep.rows
        if row["kind"] == sweep.judged and row[measure] is not None
    }
    if sweep.baseline not in measured:
        return []
    others = [v for v in sweep.variants if v in measured and v != sweep.baseline]
    return compare_with_baseline(
        sweep.rows, sweep.baseline, measure, kind=sweep.judged, variants=others
    )


def sweep_differences(sweep: Sweep) -> list[str]:
    """A table per measure, and each comparison as a sentence."""
    tables, sentences = [], []
    for measure in MEASURES:
        comparisons = compare(sweep, measure)
        if comparisons:
            tables.append(_table(sweep, measure, comparisons))
            sentences += [f"<li>{escape(c.sentence)}</li>" for c in comparisons]
    if not tables:
        return []
    return [
        markup.heading(f"Compared with {sweep.baseline}"),
        markup.note(_asked(len(sweep.seeds))),
        *tables,
        f"<details><summary>In words</summary><ul>{''.join(sentences)}</ul></details>",
    ]


def _asked(seeds: int) -> str:
    """What interval and p are over, and hence what they ask."""
    counts = (
        "It counts where the interval leaves out 0 and Holm’s p, which allows for the number of "
        "variants, is below 0.05."
    )
    if seeds == 1:
        return (
            "With one seed, interval and p (paired t test) are over generators: they ask whether "
            "the difference would be there on other generators, for these very runs, and nothing "
            f"says whether other seeds would show it. {counts}"
        )
    return (
        "Runs with the same seed are paired. The interval and p (paired t test over seeds) ask "
        "whether the difference would be there with other seeds, on these generators and images. "
        f"{counts} With few seeds only large differences can show."
    )


def _table(sweep: Sweep, measure: str, comparisons: list[VariantComparison]) -> str:
    rows = []
    for c in comparisons:
        test = c.decides
        low, high = c.interval
        ahead = sum(value > 0 for value in c.difference.values)
        verdict = "within noise"
        if c.beyond_noise:
            verdict = "ahead" if c.difference.mean > 0 else "behind"
        rows.append(
            [
                markup.head(c.a),
                markup.cell(points(c.difference.mean)),
                markup.cell("–" if low != low else f"{points(low)} to {points(high)}"),
                markup.cell(f"{ahead} / {len(c.seeds)}"),
                markup.cell("–" if test is None else _p(test.p_value)),
                markup.cell("–" if c.adjusted_p is None else _p(c.adjusted_p)),
                markup.text(verdict),
            ]
        )
    head = ["variant", "difference (points)", "95 % interval", "seeds ahead", "p", "Holm’s p"]
    caption = (
        f"Difference in {NAMES[measure]} from {sweep.baseline}, mean over "
        f"{len(comparisons[0].generators)} {sweep.judged} generators. {basis.of_sweep(sweep)}"
    )
    return markup.table([*head, "verdict"], rows, caption)


def _p(value: float) -> str:
    return format_p(value).removeprefix("p = ").removeprefix("p ")
