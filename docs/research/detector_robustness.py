"""What is left of the bundled detector after each change that `robustness` makes to a picture.

    python main.py robustness --data=PREPARED --split=dev --output=DIR
    python -m docs.research.detector_robustness DIR/robustness/NAME... \
        docs/results/detector/robustness.csv

keeps the logits of `robustness` with the bundled detector, run once or in parts of
`--transformations`. `make results` says in docs/detector.md what they come to, with the verdicts'
limit on the card.
"""

from __future__ import annotations

import argparse
import json
import pathlib
from collections.abc import Sequence

import numpy as np

from docs.research.detector_figures import Measured, Scored, mean_auc
from docs.research.lists import listed
from docs.research.logit_changes import FACTS, told_by
from docs.research.scripts import run_script
from docs.research.wording import counted
from input_pipeline.errors import UserError
from input_pipeline.storage.atomic_files import write_file
from input_pipeline.storage.csv_files import csv_text, read_csv
from npr_jax.detectors.card import own_card

TABLE = "detector/robustness.csv"  # within docs/results


def joined(
    folders: Sequence[pathlib.Path],
) -> tuple[list[str], list[dict[str, str]]]:
    """Columns and rows of the CSV, of folders that `robustness` has written of the same pictures.

    ``UserError`` where anything but the day differs that two of them tell: the pictures, the
    commit, the machine, the logits of unchanged pictures.
    """
    columns, rows = measured(folders[0])
    for folder in folders[1:]:
        more, others = measured(folder)
        both = [name for name in columns if name in more and name != "date"]
        told, told_too = ([[row[name] for row in of] for name in both] for of in (rows, others))
        differ = [name for name, a, b in zip(both, told, told_too, strict=True) if a != b]
        if differ:
            raise UserError(
                f"{folder} differs from {folders[0]} in {listed(differ)}; score one split with "
                "one commit, on one machine"
            )
        columns += [name for name in more if name not in columns]
        rows = [other | row for row, other in zip(rows, others, strict=True)]
    return columns, rows


def measured(folder: pathlib.Path) -> tuple[list[str], list[dict[str, str]]]:
    """Columns and rows of one folder."""
    columns, rows = read_csv(folder / "scores.csv")
    changes = columns[3:]
    meta = json.loads((folder / "results.json").read_text(encoding="utf-8"))["meta"]
    title = Measured.read(own_card()).title
    if meta["weights"] != title:
        raise UserError(f"{folder} is of {meta['weights']}; expected the bundled {title}")
    told = {"detector": title} | {name: str(meta[name] or "") for name in FACTS[-3:]}
    return [*FACTS, *changes], [
        {"filename": row["filename"], "source": row["generator"], "label": row["label"]}
        | told
        | {change: row[change] and f"{float(row[change]):.4f}" for change in changes}
        for row in rows
    ]


def block_of(table: pathlib.Path) -> str:
    """Markdown of the table, where it is there."""
    if not table.is_file():
        return f"Not measured yet: `docs/results/{TABLE}` is not there."
    columns, rows = read_csv(table)
    logits = {
        change: np.array([float(row[change] or "nan") for row in rows])
        for change in columns[len(FACTS) :]
    }
    labels = np.array([int(row["label"]) for row in rows])
    scored = Scored(labels, np.array([row["source"] for row in rows]), logits)
    return f"{format_table(scored, Measured.read(own_card()))}\n\n{told_by(rows)}."


def format_table(scored: Scored, card: Measured) -> str:
    """Markdown: a row for each change, and of which pictures they are.

    Pictures that are too small or too large after a change are left out of its row.
    """
    unseen = [name for name in scored.groups(1) if name not in card.generators]
    limit = card.calibration.generated_from if card.calibration else None
    lines = [
        "| change | mean AUC (95 % interval) | found | photographs called generated | pictures |",
        "|---|---:|---:|---:|---:|",
    ]
    for change, logits in scored.logits.items():
        kept = np.isfinite(logits)
        left = Scored(scored.labels[kept], scored.sources[kept], {})
        mean, low, high = mean_auc(left, logits[kept], unseen)
        called = logits[kept] >= (np.inf if limit is None else limit)
        found = np.mean([called[left.sources == name].mean() for name in unseen])
        alarms = called[left.labels == 0].mean()
        lines.append(
            f"| {change} | {100 * mean:.1f} ({100 * low:.0f} to {100 * high:.0f}) "
            f"| {100 * found:.1f} | {100 * alarms:.1f} | {kept.sum()} |"
        )
    number = int((scored.labels == 0).sum())
    ours = int(np.isin(scored.sources, unseen).sum())
    return "\n".join(
        [
            *lines,
            "",
            f"In percent; {counted(number, 'photograph')}, and {counted(ours, 'picture')} of "
            f"{counted(len(unseen), 'generator')} that the detector was not trained on, over which "
            "AUC and share found are means. Intervals are over pictures.",
        ]
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """The command above."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=pathlib.Path, nargs="+")
    parser.add_argument("output", type=pathlib.Path)
    flags = parser.parse_args(arguments)
    columns, rows = joined(flags.folder)
    flags.output.parent.mkdir(parents=True, exist_ok=True)
    write_file(flags.output, csv_text(columns, rows))


if __name__ == "__main__":
    run_script(main)
