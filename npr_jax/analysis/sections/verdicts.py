"""The verdicts of a calibrated detector on each generator of one evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from npr_jax.analysis import basis, markup
from npr_jax.analysis.run_results import Evaluation
from npr_jax.evaluation import tables

HEAD = (
    *("generator", "images", "decided", "error", "called generated", "photographs among them"),
    *("called photograph", "generated among them", "pairing"),
)


def verdicts(evaluation: Evaluation, with_figures: bool) -> list[str]:
    """How many images get a verdict and how many a wrong one; nothing without a calibration."""
    results = evaluation.results
    rows = results.get("verdicts")
    if not rows:
        return []
    caption = (
        f"Calibrated verdicts. {basis.measured_on(results)} Decided: share of the images that are "
        "not unsure; error: share of wrong verdicts among these; small print: 95 % interval "
        "(Wilson)."
    )
    return [
        markup.heading("Verdicts after calibration", level=3),
        markup.table(
            HEAD,
            [_cells(row) for row in rows if not tables.is_control(row["generator"])],
            caption,
            apart=[_cells(row) for row in rows if tables.is_control(row["generator"])],
        ),
    ]


def _cells(row: Mapping[str, Any]) -> list[str]:
    counts = (
        *("called_generated", "photographs_called_generated"),
        *("called_photograph", "generated_called_photograph"),
    )
    return [
        markup.head(row["generator"]),
        markup.cell(f"{row['n']:,}"),
        markup.share(row["decided_share"]),
        markup.share(row["error"], row["error_interval"]),
        *(markup.cell(str(row[key])) for key in counts),
        markup.text(row["pairing"]),
    ]
