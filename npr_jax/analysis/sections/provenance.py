"""How the numbers were made: what the evaluations and the run recorded."""

from collections.abc import Mapping
from typing import Any

from npr_jax.analysis import markup
from npr_jax.analysis.run_results import Run
from npr_jax.analysis.sweep_results import Sweep

PROVENANCE = ("data", "data_fingerprint", "split", "delivery", "commit", "date", "machine")


def provenance(run: Run) -> list[str]:
    """What each evaluation's results.json says of its making, and the run's settings."""
    parts = [markup.heading("How it was made")]
    for evaluation in run.evaluations:
        lines = [
            [markup.head(key), markup.text(_flat(value), "long")]
            for key, value in evaluation.results["meta"].items()
            if value is not None
        ]
        if lines:
            parts += [markup.heading(evaluation.name, level=3), markup.table(["", ""], lines)]
    lines = [
        [markup.head(key), markup.text(_flat(value), "long")] for key, value in _leaves(run.config)
    ]
    if lines:
        table = markup.table(["", ""], lines)
        parts.append(f"<details><summary>Configuration</summary>{table}</details>")
    return parts if len(parts) > 1 else []


def sweep_provenance(sweep: Sweep) -> list[str]:
    """What all runs of a sweep share, and what was recorded of them."""
    rows = []
    for column in PROVENANCE:
        values = sorted({str(row[column]) for row in sweep.rows if row.get(column)})
        if values:
            rows.append([markup.head(column), markup.text(", ".join(values), "long")])
    return [markup.heading("How it was made"), markup.table(["", ""], rows)] if rows else []


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    leaves: list[tuple[str, Any]] = []
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            leaves += _leaves(value, f"{prefix}{key}.")
        else:
            leaves.append((prefix + key, value))
    return leaves


def _flat(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
