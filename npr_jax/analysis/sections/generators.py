"""The tables of one evaluation: a row per generator, means and controls; photographs by source."""

from collections.abc import Mapping
from typing import Any

from npr_jax.analysis import basis, markup, summary
from npr_jax.analysis.run_results import Evaluation
from npr_jax.evaluation import tables

HEAD = (
    *("generator", "AP", "AUC", "accuracy", "real accuracy", "fake accuracy", "best accuracy"),
    *("photo&shy;graphs", "gene&shy;rated", "confusion", "pairing"),
)
EXPLANATION = (
    "Accuracy: share classed correctly at probability 0.5: of all images, of photographs (real) "
    "and of generated images (fake); small print: 95 % interval (Wilson). Best accuracy: at the "
    "threshold that suits these very images best, so an upper limit. Confusion: photographs right "
    "/ wrong, below them generated missed / found. Pairing: with the generator’s own photographs, "
    "or with all photographs of the split (pooled). * trained on. Control families (last) are in "
    "no mean. Image-weighted: a generator counts by its images, a pooled photograph once in all."
)


def generators(evaluation: Evaluation, with_figures: bool) -> list[str]:
    """The results of every generator, as in results.csv."""
    results = evaluation.results
    means = [_mean_cells(name, results[key]) for key, name in tables.MEANS.items() if results[key]]
    table = markup.table(
        HEAD,
        [_cells(row) for row in results["generators"]],
        f"Results by generator. {basis.measured_on(results)}",
        fixed=means,
        apart=[_cells(row) for row in results["control"]],
    )
    return [table, markup.note(EXPLANATION)]


def photographs(evaluation: Evaluation, with_figures: bool) -> list[str]:
    """False alarms by source of photographs."""
    results = evaluation.results
    rows = []
    for row in results["photographs"]:
        low, high = row["real_accuracy_interval"]
        cells = [markup.head(row["generator"]), markup.cell(str(row["n_photographs"]))]
        cells += [markup.cell(str(row["confusion"]["fp"]))]
        cells += [markup.share(1 - row["real_accuracy"], [1 - high, 1 - low])]
        rows.append(cells)
    if not rows:
        return []
    count = sum(row["n_photographs"] for row in results["photographs"])
    caption = (
        f"Photographs called generated at probability 0.5: {count} photographs, "
        f"{basis.one_run(results['meta'])}; small print: 95 % interval (Wilson)."
    )
    head = ["source", "photographs", "called generated", "share"]
    return [
        markup.heading("Photographs by source", level=3),
        markup.table(head, rows, caption),
    ]


def _mean_cells(name: str, mean: Mapping[str, Any]) -> list[str]:
    measures = ("ap", "auc", *tables.METRICS[:4])
    shares = [markup.share(mean[measure]) for measure in measures]
    return [markup.head(f"{name} ({mean['n_generators']})"), *shares, *[markup.cell("")] * 4]


def _cells(row: Mapping[str, Any]) -> list[str]:
    best = markup.share(row["best_accuracy"])
    if row["best_threshold"] is not None:
        best = markup.cell(summary.percent(row["best_accuracy"]), f"at {row['best_threshold']:.3f}")
    counts = row["confusion"]
    return [
        markup.head(row["generator"] + " *" * row["trained"]),
        *(markup.share(row[metric]) for metric in ("ap", "auc", "accuracy")),
        markup.share(row["real_accuracy"], row["real_accuracy_interval"]),
        markup.share(row["fake_accuracy"], row["fake_accuracy_interval"]),
        best,
        markup.cell(str(row["n_photographs"])),
        markup.cell(str(row["n_generated"])),
        markup.cell(f"{counts['tn']} / {counts['fp']}", f"{counts['fn']} / {counts['tp']}"),
        markup.text(row["pairing"]),
    ]
