"""The page of all committed result tables, made from the tables themselves.

    python -m npr_jax.sweep.publish docs/results

reads every ``NAME.csv`` there (the ``runs.csv`` of the sweep NAME) and writes ``tables.md``.
"""

from __future__ import annotations

import csv
import os
import pathlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from npr_jax.sweep.summary import COLUMNS, format_summary

PAGE = "tables.md"


def read_table(path: pathlib.Path) -> list[dict[str, Any]]:
    """The rows of a ``runs.csv``; seeds and measures as numbers, None where there is none."""
    measures = {measure for _, _, measure in COLUMNS}
    with path.open(newline="", encoding="utf-8") as file:
        rows: list[dict[str, Any]] = list(csv.DictReader(file))
    for row in rows:
        row["seed"] = int(row["seed"])
        row |= {key: float(row[key]) if row[key] else None for key in measures}
    return rows


def format_page(tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """One section per sweep: what its numbers were made with, then mean and deviation."""
    head = (
        "# Results of the sweeps\n\n"
        "Made by `python -m npr_jax.sweep.publish docs/results` from the tables beside it; a test\n"
        "keeps it so. In percent: mean ± standard deviation over seeds of each run's mean over\n"
        "generators, with the checkpoint of the best validation AP. `unseen`: generators that were\n"
        "not trained on; `control`: made without up-sampling, 50 is chance. What it says is in\n"
        "[README.md](README.md).\n"
    )
    return head + "".join(_section(name, rows) for name, rows in sorted(tables.items()))


def _section(name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    runs = {(row["variant"], row["seed"]) for row in rows}
    tested = [row for row in rows if row["kind"] != "photographs"]
    facts = [
        f"{len(runs)} runs",
        f"data {_values(rows, 'data')} (fingerprint {_values(rows, 'data_fingerprint')})",
        f"{_values(rows, 'train_images')} training images, both classes together",
        f"{_values(tested, 'n_generated')} generated test images for each generator beside "
        f"{_values(tested, 'n_photographs')} photographs",
        f"commit {_values(rows, 'commit')}",
        f"{_values(rows, 'date')}",
        f"machine {_values(rows, 'machine')}",
    ]
    return f"\n## {name}\n\n{'; '.join(facts)}.\n\n{format_summary(rows)}\n"


def _values(rows: Iterable[Mapping[str, Any]], column: str) -> str:
    return " and ".join(sorted({str(row[column]) for row in rows}))


def main(arguments: Sequence[str]) -> int:
    """Writes the page of the directory given; its exit status."""
    if len(arguments) != 1 or not pathlib.Path(arguments[0]).is_dir():
        print("error: give the directory of the tables, docs/results", file=sys.stderr)
        return 2
    directory = pathlib.Path(arguments[0])
    tables = {path.stem: read_table(path) for path in sorted(directory.glob("*.csv"))}
    partial = directory / f".{PAGE}.partial"
    partial.write_text(format_page(tables), encoding="utf-8")
    os.replace(partial, directory / PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
