"""How far the last row or column of a picture moves the bundled detector.

    python -m docs.research.detector_edges REALWORLD docs/results/detector/edges.csv

scores a part of every picture of the split ``dev``, and the same part without its last row, its
last column or both: an odd side, of which the detector leaves out one more. `make results` says in
docs/detector.md what came out.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from docs.research.lists import listed
from docs.research.logit_changes import FACTS, MOST, Change, change, facts_of, told_by
from docs.research.scripts import run_script
from docs.research.table_command import write_measured
from docs.research.wording import counted
from input_pipeline.images.transforms import decode
from input_pipeline.prepare.sources import find_source
from input_pipeline.storage.csv_files import read_csv
from input_pipeline.storage.records import PHOTOGRAPH
from npr_jax.inference.detector import Detector

TABLE = "detector/edges.csv"  # within docs/results
SPLIT, SIDE = "dev", 256  # pixels of the part, at most
WHOLE, ROW, COLUMN = "as it is", "without its last row", "without its last column"
PARTS = (WHOLE, ROW, COLUMN, "without both")


def parts(image: np.ndarray) -> list[np.ndarray]:
    """``PARTS`` of the upper left of uint8 ``[h, w, 3]``, whose sides are even."""
    height, width = (min(SIDE, length // 2 * 2) for length in image.shape[:2])
    whole = image[:height, :width]
    return [whole, whole[:-1], whole[:, :-1], whole[:-1, :-1]]


def measure(source: pathlib.Path, detector: Detector) -> list[dict[str, str]]:
    """The rows of the CSV: a picture's logits, a column for each of ``PARTS``."""
    files = find_source(source).splits[SPLIT]

    def seen() -> Iterator[np.ndarray]:
        for file in files:
            yield from parts(decode(pathlib.Path(file.path).read_bytes()))

    logits = detector.logits(seen()).reshape(len(files), len(PARTS))
    return [
        facts | {part: f"{logit:.5f}" for part, logit in zip(PARTS, found, strict=True)}
        for facts, found in zip(facts_of(files, detector), logits, strict=True)
    ]


def block_of(table: pathlib.Path) -> str:
    """Markdown of the table, where it is there."""
    if not table.is_file():
        return f"Not measured yet: `docs/results/{TABLE}` is not there."
    return format_block(read_csv(table)[1])


def changes(rows: Sequence[Mapping[str, str]], spread: float) -> dict[str, Change]:
    """{part: by how much it moves the logits of all pictures} for all but ``WHOLE``."""
    logits = {name: np.array([float(row[name]) for row in rows]) for name in PARTS}
    return {name: change(logits[WHOLE], logits[name], spread) for name in PARTS[1:]}


def format_block(rows: Sequence[Mapping[str, str]]) -> str:
    """Markdown: a row for each part, and what was measured."""
    before = np.array([float(row[WHOLE]) for row in rows])
    photographs = np.array([int(row["label"]) == PHOTOGRAPH for row in rows])
    spread, narrower = before.std(ddof=1), before[photographs].std(ddof=1)
    lines = [
        f"| the same part | moved by at most {MOST:g} | photographs moved by more "
        "| generated moved by more | root mean square | largest |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, found in changes(rows, spread).items():
        lines.append(
            f"| {name} | {100 * (1 - found.beyond.mean()):.1f} % "
            f"| {found.beyond[photographs].sum()} | {found.beyond[~photographs].sum()} "
            f"| {found.root_mean_square:.3f} | {found.largest:.2f} |"
        )
    in_other_unit = [str(found.beyond.sum()) for found in changes(rows, narrower).values()]
    number = int(photographs.sum())
    return "\n".join(
        [
            *lines,
            "",
            f"The upper left, at most {SIDE} × {SIDE} pixels, of "
            f"{counted(number, 'photograph')} and "
            f"{counted(len(rows) - number, 'generated picture')} of `{SPLIT}`; unit: the standard "
            f"deviation of the logit over all these pictures, {spread:.2f}. Over photographs alone "
            f"it is {narrower:.2f}; {listed(in_other_unit)} pictures move by more than {MOST:g} of "
            f"that. {told_by(rows)}.",
        ]
    )


def main(arguments: Iterable[str] | None = None) -> None:
    """The command above."""
    write_measured(__doc__, measure, [*FACTS, *PARTS], arguments)


if __name__ == "__main__":
    run_script(main)
