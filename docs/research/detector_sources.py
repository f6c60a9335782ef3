"""What the bundled detector was trained on, for its page: sources, images and licences.

docs/results/detector/sources.csv lists the sources of realworld (version 2) by split, as its
manifest does. Which splits a detector learned from is told by the generators on its card.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from docs.research.lists import listed
from input_pipeline.storage.csv_files import read_csv

TABLE = "detector/sources.csv"  # within docs/results
NO_LICENCE = "none stated"


def block_of(table: pathlib.Path, card: pathlib.Path) -> str:
    """Markdown of the table's rows that the detector of a card was trained on, and of its run."""
    if not table.is_file():
        return f"Not listed yet: `docs/results/{TABLE}` is not there."
    facts = json.loads(card.read_text(encoding="utf-8"))
    listing = format_block(read_csv(table)[1], facts["trained_on"]["train_family"])
    return f"{listing} {of_the_run(facts)}"


def of_the_run(facts: Mapping[str, Any]) -> str:
    """A few sentences on how the detector of a card came about."""
    text = (
        f"{facts['name']} {facts['version']} is the checkpoint of step {facts['step']:,} of a run "
        f"on {facts['trained_on']['train_images']:,} images"
    )
    known = [f"{name} {facts[name]}" for name in ("seed", "commit") if name in facts]
    text += "".join(f", {part}" for part in known) + "."
    if calibrated := facts.get("calibrated_on"):
        text += (
            f" The limits of its verdicts were fitted to {calibrated['photographs']} photographs "
            f"and {calibrated['generated']} generated images: {calibrated['images']}."
        )
    if scaled := facts.get("probabilities_fitted_to"):
        text += (
            f" Its probabilities were fitted to {scaled['photographs']} photographs and "
            f"{scaled['generated']} generated images: {scaled['images']}."
        )
    return text


def splits_of(rows: Sequence[Mapping[str, str]], generators: Sequence[str]) -> list[str]:
    """The splits that the detector learned from: those with all their generators on its card."""
    names: dict[str, set[str]] = {}
    for row in rows:
        if row["label"] == "1":
            names.setdefault(row["split"], set()).add(row["source"])
    return [split for split, found in names.items() if found <= set(generators)]


def photographs_trained_on(table: pathlib.Path, generators: Sequence[str]) -> set[str]:
    """The sources of photographs from which a detector of these generators has learned others.

    None where the table is not there.
    """
    if not table.is_file():
        return set()
    rows = read_csv(table)[1]
    splits = splits_of(rows, generators)
    return {row["source"] for row in rows if row["label"] == "0" and row["split"] in splits}


def format_block(rows: Sequence[Mapping[str, str]], generators: Sequence[str]) -> str:
    """Markdown: a row for each source, photographs first, and from which splits they are."""
    splits = splits_of(rows, generators)
    merged: dict[tuple[str, str], dict[str, str | int]] = {}
    for row in rows:
        if row["split"] not in splits:
            continue
        entry = merged.setdefault((row["label"], row["source"]), {**row, "images": 0})
        entry["images"] = int(entry["images"]) + int(row["images"])
    lines = ["| source | images | what they are | licence |", "|---|---|---|---|"]
    for (label, name), row in sorted(
        merged.items(), key=lambda item: (item[0][0], -int(item[1]["images"]), item[0][1])
    ):
        kind = "generated" if label == "1" else "photographs"
        licence = row["licence"] or NO_LICENCE
        lines.append(f"| `{name}` | {row['images']} {kind} | {row['what']} | {licence} |")
    known = listed([f"`{split}`" for split in splits]) or "none"
    return "\n".join([*lines, "", f"From realworld, version 2, split {known}."])
