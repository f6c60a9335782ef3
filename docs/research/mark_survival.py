"""After which deliveries the invisible mark is still read, and how often it is where it is not.

    python -m docs.research.mark_survival REALWORLD docs/results/mark/realworld.csv [--simulated=N]

Reads the photographs and the marked images of a folder that `prepare` reads, at most 512 pixels a
side of each, and photographs of the embedded simulation; each as it is and after deliveries.
"""

from __future__ import annotations

import argparse
import collections
import datetime
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from docs.research.scripts import run_script
from input_pipeline.images.degradations import Transformation, transformations
from input_pipeline.images.invisible_mark import MIN_PIXELS, find_mark, read_marks, write_mark
from input_pipeline.images.problems import ImageProblem
from input_pipeline.images.transforms import decode
from input_pipeline.prepare.sources import find_source
from input_pipeline.simulation import camera
from input_pipeline.storage.atomic_files import write_file
from input_pipeline.storage.csv_files import csv_text, read_csv
from input_pipeline.storage.records import PHOTOGRAPH

FOLDER = "mark"  # within docs/results
COLUMNS = ("group", "delivery", "images", "carried", "share", "below_1_percent", "p_value", "date")
FOUND, WRITTEN = "files that carry the mark", "photographs, marked here"
PHOTOGRAPHS, SIMULATED = "photographs", "simulated photographs"
DELIVERIES = (
    *("clean", "jpeg 95", "jpeg 90", "jpeg 80", "webp 95", "webp 80", "resize_bicubic 0.5"),
    *("resize_bicubic 0.75", "resize_bicubic 2", "screenshot 0.8", "crop 0.9", "noise 2"),
    *("delivery web", "delivery hard"),
)
_SIDE, _SIMULATED_SIDE, _SEED = 512, 192, 11
_WRITTEN_EVERY = 4  # photographs


def measure(
    source: pathlib.Path, simulated: int, deliveries: Sequence[str] = DELIVERIES
) -> list[dict[str, str]]:
    """The rows of the CSV.

    Args:
        source: a folder that `prepare` reads.
        simulated: photographs of the simulation.
        deliveries: labels of `degradations.transformations`, of which 'clean' is the first.
    """
    known = {one.label: one for one in transformations()}
    chosen = [known[label] for label in deliveries]
    found: dict[tuple[str, str], list[tuple[bool, float, float]]] = collections.defaultdict(list)
    for index, (group, image) in enumerate(_images(source, simulated)):
        for delivery, reading in _readings(image, chosen, index):
            found[group, delivery].append(reading)
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    return [
        dict(zip(COLUMNS, (group, delivery, *_in_figures(readings), today), strict=True))
        for (group, delivery), readings in found.items()
    ]


def _images(source: pathlib.Path, simulated: int) -> Iterator[tuple[str, np.ndarray]]:
    number = 0
    for files in find_source(source).splits.values():
        for file in files:
            image = decode(pathlib.Path(file.path).read_bytes())[:_SIDE, :_SIDE]
            if file.label != PHOTOGRAPH:
                if find_mark(image):
                    yield FOUND, image
                continue
            yield PHOTOGRAPHS, image
            number += 1
            if number % _WRITTEN_EVERY == 0 and image.shape[0] * image.shape[1] >= MIN_PIXELS:
                yield WRITTEN, write_mark(image)
    for index in range(simulated):
        clean, noise = camera.shoot(_SEED, (index,), _SIMULATED_SIDE, (0,))
        yield SIMULATED, camera.quantise(camera.inner(clean) + noise[:, 0])[0]


def _readings(
    image: np.ndarray, chosen: Sequence[Transformation], index: int
) -> Iterator[tuple[str, tuple[bool, float, float]]]:
    """Of each delivery: whether a mark is found, and share and p-value of the likeliest one."""
    for delivery in chosen:
        try:
            readings = read_marks(delivery(image, _SEED, index)).values()
        except ImageProblem:
            continue  # too small to be delivered so
        likeliest = min(readings, key=lambda reading: reading.p_value)
        carried = any(reading.is_carried for reading in readings)
        yield delivery.label, (carried, likeliest.share, likeliest.p_value)


def _in_figures(readings: Sequence[tuple[bool, float, float]]) -> tuple[str, ...]:
    carried, shares, p_values = map(np.array, zip(*readings, strict=True))
    below = (p_values < 0.01).mean()
    return (
        str(len(readings)),
        str(carried.sum()),
        f"{np.median(shares):.3f}",
        f"{below:.4f}",
        f"{p_values.min():.1e}",
    )


def read_rows(path: pathlib.Path) -> list[dict[str, str]]:
    """The rows of a CSV that this command has written; none where there is none."""
    return read_csv(path)[1] if path.is_file() else []


def format_block(rows: Sequence[Mapping[str, str]]) -> str:
    """Markdown: a row for each delivery, a column for each group, and what was measured."""
    if not rows:
        return f"Not measured yet: `docs/results/{FOLDER}/realworld.csv` is not there."
    groups = list(dict.fromkeys(row["group"] for row in rows))
    cells = {(row["delivery"], row["group"]): row for row in rows}
    lines = [f"| delivery | {' | '.join(groups)} |", f"|---|{'---|' * len(groups)}"]
    for delivery in dict.fromkeys(row["delivery"] for row in rows):
        found = (cells.get((delivery, group)) for group in groups)
        lines.append(f"| {delivery} | {' | '.join(map(_cell, found))} |")
    unmarked = [row for row in rows if row["group"] in (PHOTOGRAPHS, SIMULATED)]
    if unmarked:
        pictures = sum(int(row["images"]) for row in unmarked if row["delivery"] == "clean")
        alarms = sum(int(row["carried"]) for row in unmarked)
        smallest = min(float(row["p_value"]) for row in unmarked)
        lines += [
            "",
            f"{pictures} photographs, {sum(int(row['images']) for row in unmarked)} readings: "
            f"{alarms} false alarms, the smallest p-value {smallest:.0e}. Measured "
            f"{' and '.join(sorted({row['date'] for row in rows}))}.",
        ]
    return "\n".join(lines)


def _cell(row: Mapping[str, str] | None) -> str:
    return "" if row is None else f"{row['carried']} of {row['images']}"


def main(arguments: Iterable[str] | None = None) -> None:
    """The command above."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--simulated", type=int, default=1200, help="photographs of the simulation")
    flags = parser.parse_args(None if arguments is None else list(arguments))
    rows = measure(flags.source, flags.simulated)
    flags.output.parent.mkdir(parents=True, exist_ok=True)
    write_file(flags.output, csv_text(COLUMNS, rows))


if __name__ == "__main__":
    run_script(main)
