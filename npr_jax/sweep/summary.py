"""Means over seeds of a sweep's table, for the eye; the table itself has every number."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from typing import Any

from npr_jax.evaluation.text_tables import Sheet, markdown

# (head, kind of row, measure), each the mean over a run's rows of that kind.
COLUMNS = (
    ("AP trained", "trained", "ap"),
    ("AP unseen", "unseen", "ap"),
    ("AUC unseen", "unseen", "auc"),
    ("acc unseen", "unseen", "accuracy"),
    ("best unseen", "unseen", "best_accuracy"),
    ("AUC control", "control", "auc"),
)


def summarize(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One entry per variant: how many seeds, and for each column the runs' values.

    Args:
        rows: of ``runs.csv``.

    Returns:
        ``variant``, ``seeds`` and, by head of ``COLUMNS``, a list with one mean over generators
        per seed; runs without such rows are left out of the list.
    """
    by_run: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for row in rows:
        by_run.setdefault((row["variant"], row["seed"]), []).append(row)
    entries: dict[str, dict[str, Any]] = {}
    for (variant, _), its_rows in by_run.items():
        entry = entries.setdefault(variant, {"variant": variant, "seeds": 0})
        entry["seeds"] += 1
        for head, kind, measure in COLUMNS:
            values = [row[measure] for row in its_rows if row["kind"] == kind]
            values = [value for value in values if value is not None]
            entry.setdefault(head, []).extend([statistics.fmean(values)] if values else [])
    return list(entries.values())


def format_summary(rows: Iterable[Mapping[str, Any]]) -> str:
    """The summary as a Markdown table, in percent: mean and standard deviation over seeds."""
    entries = summarize(rows)
    if not entries:
        return "no run is finished yet"
    heads = ["variant", "seeds", *(head for head, _, _ in COLUMNS)]
    cells = [[_cell(entry[head]) for head in heads] for entry in entries]
    return markdown(Sheet("", heads, cells))


def _cell(value: Any) -> str:
    if not isinstance(value, list):
        return str(value)
    if not value:
        return "-"
    mean = f"{100 * statistics.fmean(value):.1f}"
    return f"{mean} ± {100 * statistics.stdev(value):.1f}" if len(value) > 1 else mean
