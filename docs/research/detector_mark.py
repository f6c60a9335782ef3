"""How far the mark of Stable Diffusion's script moves the bundled detector, and whether it is that.

    python -m docs.research.detector_mark REALWORLD docs/results/detector/mark.csv

writes the mark into every photograph of the split ``dev`` that is large enough for it, and scores
the photograph with and without it, whole, after each delivery. Two controls tell the mark from any
such change: a random message that is written as the mark is, and the mark's own changes of pixels,
moved to other pixels beside them. `make results` says in docs/detector.md what came out.

    python -m docs.research.detector_mark REALWORLD docs/results/detector/mark_of_recipes.csv \
        --run NAME=RUN --run NAME=RUN

asks the same of runs whose recipes break the marks that they are trained with in one way or
another.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from docs.research.lists import listed
from docs.research.logit_changes import (
    FACTS,
    MOST,
    Change,
    change,
    facts_of,
    made_with,
    signed_hundredths,
    told_by,
)
from docs.research.scripts import run_script
from docs.research.table_command import write_measured
from docs.research.wording import capital
from input_pipeline.images.invisible_mark import MIN_PIXELS, STABLE_DIFFUSION_1, write_mark
from input_pipeline.images.transforms import decode, deliver
from input_pipeline.prepare.folders import ImageFile
from input_pipeline.prepare.sources import find_source
from input_pipeline.storage.csv_files import read_csv
from input_pipeline.storage.records import PHOTOGRAPH
from npr_jax.inference.detector import Detector

TABLE = "detector/mark.csv"  # within docs/results
RECIPES = "detector/mark_of_recipes.csv"
SPLIT, DELIVERIES = "dev", ("clean", "web", "hard")
BEFORE, MARKED, MESSAGE, MOVED = "as it is", "the mark", "a random message", "its changes, moved"
VERSIONS = (BEFORE, MARKED, MESSAGE, MOVED)
_SEED, _BLOCK = 0, 8  # pixels a side
_LIMIT = "generated_from"


def versions(image: np.ndarray, index: int) -> list[np.ndarray]:
    """``VERSIONS`` of a photograph, uint8 ``[h, w, 3]``; what is random depends on ``index``."""
    rng = np.random.default_rng((_SEED, index))
    marked = write_mark(image)
    other = write_mark(image, rng.bytes(len(STABLE_DIFFUSION_1)))
    return [image, marked, other, moved(image, marked, rng)]


def moved(image: np.ndarray, marked: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The image with the changes of a marked one, in random order within each block of pixels.

    They are as strong as the mark's, and where it is strong, but have nothing of its pattern.
    Pixels beyond the last whole block stay as they are.
    """
    rows, columns = (side // _BLOCK for side in image.shape[:2])
    height, width = rows * _BLOCK, columns * _BLOCK
    whole = image.astype(np.int16)
    change = (marked - whole)[:height, :width].reshape(rows, _BLOCK, columns, _BLOCK, 3)
    blocks = change.swapaxes(1, 2).reshape(rows * columns, _BLOCK**2, 3)
    order = rng.permuted(np.tile(np.arange(_BLOCK**2), (len(blocks), 1)), axis=1)
    blocks = np.take_along_axis(blocks, order[:, :, None], axis=1)
    tiles = blocks.reshape(rows, columns, _BLOCK, _BLOCK, 3).swapaxes(1, 2)
    whole[:height, :width] += tiles.reshape(height, width, 3)
    return np.clip(whole, 0, 255).astype(np.uint8)


def measure(source: pathlib.Path, detector: Detector) -> list[dict[str, str]]:
    """The rows of the CSV: a photograph's logits after a delivery, a column for each version."""
    limit = detector.calibration and detector.calibration.generated_from
    files = [file for file in find_source(source).splits[SPLIT] if _takes_the_mark(file)]

    def seen() -> Iterator[np.ndarray]:
        for index, file in enumerate(files):
            made = versions(_pixels(file), index)
            yield from (deliver(image, how) for how in DELIVERIES for image in made)

    logits = detector.logits(seen()).reshape(len(files), len(DELIVERIES), len(VERSIONS))
    return [
        facts
        | {"delivery": delivery, _LIMIT: "" if limit is None else f"{limit:.5f}"}
        | {version: f"{logit:.5f}" for version, logit in zip(VERSIONS, found, strict=True)}
        for facts, of_file in zip(facts_of(files, detector), logits, strict=True)
        for delivery, found in zip(DELIVERIES, of_file, strict=True)
    ]


def _pixels(file: ImageFile) -> np.ndarray:
    return decode(pathlib.Path(file.path).read_bytes())


def _takes_the_mark(file: ImageFile) -> bool:
    return file.label == PHOTOGRAPH and _pixels(file)[:, :, 0].size >= MIN_PIXELS


def block_of(table: pathlib.Path) -> str:
    """Markdown of the table, where it is there."""
    if not table.is_file():
        return f"Not measured yet: `docs/results/{TABLE}` is not there."
    return format_block(read_csv(table)[1])


def changes(rows: Sequence[Mapping[str, str]], delivery: str) -> dict[str, Change]:
    """{version: by how much it moves the logits of a delivery} for all but ``BEFORE``."""
    logits = _logits(rows, delivery)
    spread = logits[BEFORE].std(ddof=1)
    return {name: change(logits[BEFORE], logits[name], spread) for name in VERSIONS[1:]}


def alarms(rows: Sequence[Mapping[str, str]], delivery: str) -> dict[str, int]:
    """{version: photographs called generated after a delivery}."""
    limits = {float(row[_LIMIT]) if row[_LIMIT] else np.inf for row in rows}
    return {
        name: int((found >= max(limits)).sum()) for name, found in _logits(rows, delivery).items()
    }


def _logits(rows: Sequence[Mapping[str, str]], delivery: str) -> dict[str, np.ndarray]:
    kept = [row for row in rows if row["delivery"] == delivery]
    return {name: np.array([float(row[name]) for row in kept]) for name in VERSIONS}


def format_block(rows: Sequence[Mapping[str, str]]) -> str:
    """Markdown: a row for each delivery and version, and one paragraph."""
    lines = [
        "| delivery | written into the photographs | mean shift (95 % interval) | root mean square "
        f"| moved by more than {MOST:g} | largest | called generated, before and after |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    apart = []
    for delivery in dict.fromkeys(row["delivery"] for row in rows):
        found, called = changes(rows, delivery), alarms(rows, delivery)
        for name, of_it in found.items():
            lines.append(
                f"| {delivery} | {name} | {_mean(of_it)} | {of_it.root_mean_square:.2f} "
                f"| {of_it.beyond.sum()} of {len(of_it.values)} | {of_it.largest:.2f} "
                f"| {called[BEFORE]}, {called[name]} |"
            )
        beside = Change(found[MARKED].values - found[MESSAGE].values)
        low, high = beside.mean - beside.error, beside.mean + beside.error
        apart.append(f"{low:+.3f} to {high:+.3f} {delivery}".replace("-", "−"))
    number = len({row["filename"] for row in rows})
    return "\n".join(
        [
            *lines,
            "",
            f"{number} photographs of `{SPLIT}`, all that have {MIN_PIXELS:,} pixels, scored "
            "whole; unit: the standard deviation of the logit over these photographs before the "
            "change, after the same delivery. The mean shift by the mark less that by a random "
            f"message (95 % interval): {listed(apart)}. {told_by(rows)}.",
        ]
    )


def recipes_block(table: pathlib.Path) -> str:
    """Markdown of the table of several runs, where it is there: a row for each."""
    if not table.is_file():
        return f"Not measured yet: `docs/results/{RECIPES}` is not there."
    lines = [
        "| recipe | mean shift by the mark (95 % interval) | root mean square "
        f"| moved by more than {MOST:g} | a random message: root mean square |",
        "|---|---:|---:|---:|---:|",
    ]
    rows = [row for row in read_csv(table)[1] if row["delivery"] == DELIVERIES[0]]
    for name in dict.fromkeys(row["detector"] for row in rows):
        found = changes([row for row in rows if row["detector"] == name], DELIVERIES[0])
        marked, other = found[MARKED], found[MESSAGE]
        lines.append(
            f"| {name} | {_mean(marked)} | {marked.root_mean_square:.2f} "
            f"| {marked.beyond.sum()} of {len(marked.values)} | {other.root_mean_square:.2f} |"
        )
    return "\n".join([*lines, "", f"With no delivery after the mark. {capital(made_with(rows))}."])


def _mean(of: Change) -> str:
    low, high = of.mean - of.error, of.mean + of.error
    return f"{signed_hundredths(of.mean)} ({signed_hundredths(low)} to {signed_hundredths(high)})"


def main(arguments: Iterable[str] | None = None) -> None:
    """The command above."""
    write_measured(__doc__, measure, [*FACTS, "delivery", _LIMIT, *VERSIONS], arguments)


if __name__ == "__main__":
    run_script(main)
