"""What is left of the detection after JPEG, resizing and the like, as `robustness` measured it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from npr_jax.analysis import basis, markup, summary
from npr_jax.analysis.conclusions import points
from npr_jax.analysis.robustness import auc_range, count_generators, svg_of
from npr_jax.analysis.run_results import Run, read_json

MAX_FIGURES = 3  # those beyond get their tables without figures, to keep the page small
HEAD = (
    *("transformation", "strength", "AUC", "lowest AUC", "highest AUC", "change of AUC", "AP"),
    *("balanced accuracy", "real accuracy", "fake accuracy", "no score"),
)
EXPLANATION = (
    "The same test images in every transformation, as a platform or a reader may have changed "
    "them; the detector’s own preprocessing comes after it. Unweighted means over generators, "
    "controls left out; accuracies at probability 0.5, balanced: the mean of that of photographs "
    "(real) and of generated images (fake). Lowest and highest AUC: of the generators; change: in "
    "points, to the unchanged images (clean). No score: images that the detector cannot score so; "
    "they are in no number. Each generator and control: robustness.csv beside these results."
)


def robustness(run: Run) -> list[str]:
    """Curves and a row per transformation of each measurement; nothing where there is none.

    Raises:
        ValueError: a results.json is not JSON.
    """
    measured = [read_json(path) for path in sorted(run.workdir.glob("robustness/*/results.json"))]
    if not measured:
        return []
    title = "When images are compressed, resized or otherwise changed"
    parts = [markup.heading(title), markup.note(EXPLANATION)]
    if any(summary.simulated(results["meta"]) for results in measured):
        parts.append(markup.note(summary.SIMULATED))
    for number, results in enumerate(measured):
        parts += _measurement(results, with_figure=number < MAX_FIGURES)
    return parts


def _measurement(results: Mapping[str, Any], *, with_figure: bool) -> list[str]:
    means = [row for row in results["rows"] if row["kind"] == "mean"]
    if not means:
        words = f"{results['name']}: no generator but controls, so no mean; see robustness.csv."
        return [markup.note(words)]
    count = count_generators(results)
    measured = (
        f"{results['name']}: {results['n_photographs']:,} photographs and "
        f"{results['n_generated']:,} generated images, {count} generator{'s' * (count != 1)}; "
        f"{basis.one_run(results['meta'])}"
    )
    parts = [markup.heading(results["name"], level=3)]
    if with_figure:
        alt = f"AUC and balanced accuracy by transformation, {results['name']}"
        parts.append(
            markup.figure(
                svg_of(results), alt, f"AUC and balanced accuracy. {measured}.", wide=True
            )
        )
    parts.append(
        markup.table(HEAD, _rows(results["rows"], means), f"By transformation. {measured}.")
    )
    for label, reasons in results["not_scored"].items():
        counts = ", ".join(f"{count} {reason}" for reason, count in reasons.items())
        parts.append(markup.note(f"No score, {label}: {counts} (not_scored.csv)."))
    return parts


def _rows(rows: Sequence[Mapping[str, Any]], means: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    unchanged = next((row["auc"] for row in means if row["transformation"] == "clean"), None)
    bounds = zip(*auc_range(rows, means), strict=True)
    cells = []
    for row, (low, high) in zip(means, bounds, strict=True):
        moved = "–"
        if None not in (row["auc"], unchanged):
            moved = points(row["auc"] - unchanged)
        cells.append(
            [
                markup.head(row["transformation"].replace("_", " ")),
                markup.text(row["strength"] or "–"),
                markup.share(row["auc"]),
                *(markup.share(None if math.isnan(end) else end / 100) for end in (low, high)),
                markup.cell(moved),
                *(markup.share(row[key]) for key in ("ap", "balanced_accuracy")),
                *(markup.share(row[key]) for key in ("real_accuracy", "fake_accuracy")),
                markup.cell(str(row["n_not_scored"])),
            ]
        )
    return cells
