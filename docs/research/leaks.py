"""What nuisances alone give away of a collection of real images, beside what a detector does.

    python -m docs.research.leaks REALWORLD docs/results/leaks/realworld.csv

measures the leak table of every split, as `prepare --check` prints it, and writes it as CSV.
`make results` puts it into docs/data.md, beside the AUC of the logits in docs/results/detector.
"""

from __future__ import annotations

import argparse
import datetime
import pathlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from sklearn.metrics import roc_auc_score

from docs.research.detector_figures import HELD_OUT, TABLE, Measured, Scored, card_of
from docs.research.scripts import run_script
from input_pipeline.prepare.file_pool import file_pool
from input_pipeline.prepare.leak_table import KINDS, METADATA, NUISANCES, TOGETHER, leak_tables
from input_pipeline.prepare.sources import find_source
from input_pipeline.storage.atomic_files import write_file
from input_pipeline.storage.csv_files import csv_text, read_csv
from npr_jax.detectors.card import own_card

FOLDER = "leaks"  # within docs/results
COLUMNS = ("split", "kind", "photographs", "generated", "auc", "date")
UNCHANGED = "clean"  # delivery of the pictures that the table is of


def measure(source: pathlib.Path) -> list[dict[str, str]]:
    """The rows of the CSV, of a folder that `prepare` reads."""
    found = find_source(source)
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    with file_pool(None, sum(map(len, found.splits.values()))) as mapped:
        tables = leak_tables(found, mapped)
    rows = []
    for table in tables:
        counts = [str(table.photographs), str(table.generated)]
        for kind in KINDS:
            auc = table.auc[kind]
            cells = [table.split, kind, *counts, "" if auc is None else f"{auc:.4f}", today]
            rows.append(dict(zip(COLUMNS, cells, strict=True)))
    return rows


def read_rows(path: pathlib.Path) -> list[dict[str, str]]:
    """The rows of a CSV that this command has written; none where there is none."""
    if not path.is_file():
        return []
    return read_csv(path)[1]


def block_of(results: pathlib.Path) -> str:
    """Markdown of the tables in a folder of results."""
    rows = read_rows(results / FOLDER / "realworld.csv")
    scored = [
        (split, Measured.read(card).title, Scored.read(results / table))
        for split, table, card in (
            ("dev", TABLE, card_of(results / TABLE)),
            ("train", HELD_OUT, own_card()),
        )
        if (results / table).is_file()
    ]
    return format_block(rows, scored)


def format_block(
    rows: Sequence[Mapping[str, str]], detectors: Sequence[tuple[str, str, Scored]] = ()
) -> str:
    """Markdown: a row for each kind, a column for each split, and what was measured.

    Args:
        rows: as ``measure`` gives them.
        detectors: (split, name of a detector, its logits of unchanged pictures of the split).
    """
    if not rows:
        return f"Not measured yet: `docs/results/{FOLDER}/realworld.csv` is not there."
    splits = list(dict.fromkeys(row["split"] for row in rows))
    auc = {(row["split"], row["kind"]): row["auc"] for row in rows}
    counts = {
        row["split"]: f"{row['photographs']} photographs, {row['generated']} generated"
        for row in rows
    }
    lines = [
        f"| seen alone | {' | '.join(f'{split} ({counts[split]})' for split in splits)} |",
        f"|---|{'---|' * len(splits)}",
    ]
    for kind in dict.fromkeys(row["kind"] for row in rows):
        cells = [_cell(auc.get((split, kind), "")) for split in splits]
        bold = kind in (METADATA, NUISANCES, TOGETHER)
        lines.append(f"| {f'**{kind}**' if bold else kind} | {' | '.join(cells)} |")
    of_detectors = {(split, title): _of_detector(scored) for split, title, scored in detectors}
    for title in dict.fromkeys(title for _, title, _ in detectors):
        cells = [of_detectors.get((split, title), "") for split in splits]
        lines.append(f"| **{title}** | {' | '.join(cells)} |")
    dates = " and ".join(sorted({row["date"] for row in rows}))
    return "\n".join([*lines, "", f"Nuisances measured {dates}."])


def _of_detector(scored: Scored) -> str:
    auc = roc_auc_score(scored.labels, scored.logits[UNCHANGED])
    photographs, generated = (np.count_nonzero(scored.labels == label) for label in (0, 1))
    return f"{auc:.3f} ({photographs}, {generated})"


def _cell(auc: str) -> str:
    return f"{float(auc):.3f}" if auc else ""


def main(arguments: Iterable[str] | None = None) -> None:
    """The command above."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    flags = parser.parse_args(None if arguments is None else list(arguments))
    rows = measure(flags.source)
    flags.output.parent.mkdir(parents=True, exist_ok=True)
    write_file(flags.output, csv_text(COLUMNS, rows))


if __name__ == "__main__":
    run_script(main)
