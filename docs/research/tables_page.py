"""The page of all committed result tables, ``docs/results/tables.md``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from docs.research.lists import every
from npr_jax.sweep.table import format_summary

PAGE = "tables.md"


def format_page(tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """One section per sweep: what its numbers were made with, then mean and deviation."""
    head = (
        "# Results of the sweeps\n\n"
        "Made by `make results` from the tables beside it; a test keeps it so. In percent: mean ±\n"
        "standard deviation over seeds of each run's mean over generators, with the checkpoint\n"
        "that its recipe calls best. `unseen`: generators not trained on; `control`: made\n"
        "without up-sampling, 50 is chance. What it says is in [report.md](../report.md).\n"
    )
    return head + "".join(_section(name, rows) for name, rows in sorted(tables.items()))


def _section(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    runs = {(row["variant"], row["seed"]) for row in rows}
    tested = [row for row in rows if row["kind"] != "photographs"]
    facts = [
        f"{len(runs)} runs",
        f"data {every(rows, 'data')} (fingerprint {every(rows, 'data_fingerprint')})",
        f"{every(rows, 'train_images')} training images, both classes together",
        f"{every(tested, 'n_generated')} generated test images for each generator beside "
        f"{every(tested, 'n_photographs')} photographs",
        f"commit {every(rows, 'commit')}",
        f"{every(rows, 'date')}",
        f"machine {every(rows, 'machine')}",
    ]
    return f"\n## {name}\n\n{'; '.join(facts)}.\n\n{format_summary(rows)}\n"
