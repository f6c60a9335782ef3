"""What nuisances alone give away of a collection of real images, beside what a detector does.

    python -m docs.research.leaks REALWORLD docs/results/leaks/realworld.csv \
        [--scores dev=RUN/evaluation/NAME/scores.csv --name NAME]

measures the leak table of every split, as `prepare --check` prints it, and writes it as CSV; with
scores, the AUC of a detector on that split as well. `make results` puts it into docs/data.md.
"""

from __future__ import annotations

import argparse
import datetime
import pathlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from docs.research.named_paths import path_of
from input_pipeline.errors import UserError
from input_pipeline.prepare.file_pool import file_pool
from input_pipeline.prepare.leak_table import KINDS, METADATA, NUISANCES, TOGETHER, leak_tables
from input_pipeline.prepare.sources import find_source
from input_pipeline.storage.atomic_files import write_file
from input_pipeline.storage.csv_files import csv_text, read_csv
from npr_jax.evaluation.results import read_scores

FOLDER = "leaks"  # within docs/results
COLUMNS = ("split", "kind", "photographs", "generated", "auc", "date")
DETECTOR = "detector "  # and its name: the kind of a detector's rows


def measure(
    source: pathlib.Path, scores: Mapping[str, pathlib.Path], name: str
) -> list[dict[str, str]]:
    """The rows of the CSV.

    Args:
        source: a folder that `prepare` reads.
        scores: {split: scores.csv of `evaluate`} of a detector.
        name: of that detector.
    """
    found = find_source(source)
    if unknown := sorted(scores.keys() - found.splits.keys()):
        raise UserError(f"{source} has no split {unknown[0]}; it has {', '.join(found.splits)}")
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    with file_pool(None, sum(map(len, found.splits.values()))) as mapped:
        tables = leak_tables(found, mapped)
    rows = []
    for table in tables:
        counts = [str(table.photographs), str(table.generated)]
        values = {kind: table.auc[kind] for kind in KINDS}
        for kind, auc in values.items():
            cells = [table.split, kind, *counts, "" if auc is None else f"{auc:.4f}", today]
            rows.append(dict(zip(COLUMNS, cells, strict=True)))
        if table.split in scores:
            rows.append(_of_detector(table.split, scores[table.split], name, today))
    return rows


def _of_detector(split: str, path: pathlib.Path, name: str, today: str) -> dict[str, str]:
    from sklearn.metrics import roc_auc_score

    scores = read_scores(path)
    auc = roc_auc_score(scores.labels, scores.logits)
    counts = (str(np.count_nonzero(scores.labels == label)) for label in (0, 1))
    cells = [split, DETECTOR + name, *counts, f"{auc:.4f}", today]
    return dict(zip(COLUMNS, cells, strict=True))


def read_rows(path: pathlib.Path) -> list[dict[str, str]]:
    """The rows of a CSV that this command has written; none where there is none."""
    if not path.is_file():
        return []
    return read_csv(path)[1]


def format_block(rows: Sequence[Mapping[str, str]]) -> str:
    """Markdown: a row for each kind, a column for each split, and what was measured."""
    if not rows:
        return f"Not measured yet: `docs/results/{FOLDER}/realworld.csv` is not there."
    splits = list(dict.fromkeys(row["split"] for row in rows))
    kinds = list(dict.fromkeys(row["kind"] for row in rows))
    kinds.sort(key=lambda kind: kind.startswith(DETECTOR))
    auc = {(row["split"], row["kind"]): row["auc"] for row in rows}
    counts = {
        row["split"]: f"{row['photographs']} photographs, {row['generated']} generated"
        for row in rows
        if not row["kind"].startswith(DETECTOR)
    }
    lines = [
        f"| seen alone | {' | '.join(f'{split} ({counts[split]})' for split in splits)} |",
        f"|---|{'---|' * len(splits)}",
    ]
    for kind in kinds:
        cells = [_cell(auc.get((split, kind), "")) for split in splits]
        bold = kind in (METADATA, NUISANCES, TOGETHER) or kind.startswith(DETECTOR)
        lines.append(f"| {f'**{kind}**' if bold else kind} | {' | '.join(cells)} |")
    dates = " and ".join(sorted({row["date"] for row in rows}))
    return "\n".join([*lines, "", f"Measured {dates}."])


def _cell(auc: str) -> str:
    return f"{float(auc):.3f}" if auc else ""


def main(arguments: Iterable[str] | None = None) -> None:
    """The command above."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--scores", type=path_of("SPLIT"), action="append", default=[])
    parser.add_argument("--name", default="", help="of the detector whose scores these are")
    flags = parser.parse_args(None if arguments is None else list(arguments))
    rows = measure(flags.source, dict(flags.scores), flags.name)
    flags.output.parent.mkdir(parents=True, exist_ok=True)
    write_file(flags.output, csv_text(COLUMNS, rows))


if __name__ == "__main__":
    main()
