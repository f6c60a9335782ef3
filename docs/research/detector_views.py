"""How far the grid of the residuals decides: the same pictures shifted, mirrored and turned.

    python -m docs.research.detector_views REALWORLD docs/results/detector/views.csv

scores the middle of every picture of the split ``dev`` with the bundled detector: as it
is, moved by one pixel (the other three phases of NPR's 2x2 grid), mirrored and turned by 90
degrees. `make results` says in docs/detector.md what that does to the logits, and whether the mean
of the four phases ranks better than one. The table names the detector, so the page stays true
until the command is run again.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from docs.research import logit_changes
from docs.research.logit_changes import facts_of, made_with
from docs.research.scripts import run_script
from docs.research.table_command import write_measured
from docs.research.wording import counted, signed
from input_pipeline.images.transforms import decode
from input_pipeline.prepare.sources import find_source
from input_pipeline.storage.csv_files import read_csv
from npr_jax.inference.detector import Detector

TABLE = "detector/views.csv"  # within docs/results
SPLIT, SIDE = "dev", 256  # pixels of the middle, of which a view has two less along either side
PHASES = ("as it is", "1 pixel right", "1 pixel down", "1 pixel right and down")
VIEWS = (*PHASES, "mirrored", "quarter turn")
RESAMPLES = 1000
FACTS = (*logit_changes.FACTS, "trained_on")


def views(image: np.ndarray) -> list[np.ndarray]:
    """``VIEWS`` of the middle of uint8 ``[h, w, 3]``, all of one even number of pixels a side.

    The middle begins on the grid of the whole picture, so the first view keeps its phase.
    """
    height, width = (min(SIDE, length // 2 * 2) for length in image.shape[:2])
    top, left = (
        (length - kept) // 4 * 2
        for length, kept in zip(image.shape[:2], (height, width), strict=True)
    )
    height, width = height - 2, width - 2

    def moved(down: int, right: int) -> np.ndarray:
        rows, columns = top + down, left + right
        return image[rows : rows + height, columns : columns + width]

    still = moved(0, 0)
    return [still, moved(0, 1), moved(1, 0), moved(1, 1), still[:, ::-1], np.rot90(still)]


def measure(source: pathlib.Path, detector: Detector) -> list[dict[str, str]]:
    """The rows of the CSV: a picture's logits, a column for each of ``VIEWS``."""
    files = find_source(source).splits[SPLIT]

    def seen() -> Iterator[np.ndarray]:
        for file in files:
            yield from views(decode(pathlib.Path(file.path).read_bytes()))

    logits = detector.logits(map(np.ascontiguousarray, seen())).reshape(len(files), len(VIEWS))
    trained = detector.training_data.get("train_family", ())
    return [
        facts
        | {"trained_on": str(int(facts["source"] in trained))}
        | {view: f"{logit:.5f}" for view, logit in zip(VIEWS, found, strict=True)}
        for facts, found in zip(facts_of(files, detector), logits, strict=True)
    ]


@dataclasses.dataclass(frozen=True)
class Viewed:
    """The table: n pictures.

    Attributes:
        labels: int [n], 0 photograph, 1 generated.
        sources: str [n], the generator, or where a photograph is from.
        trained_on: bool [n], whether the detector was trained on others of this generator.
        logits: float [n, views], columns as ``VIEWS``.
        detector: its name and version.
        made: with which code, when and where it was scored.
    """

    labels: np.ndarray
    sources: np.ndarray
    trained_on: np.ndarray
    logits: np.ndarray
    detector: str
    made: str

    @classmethod
    def read_all(cls, path: pathlib.Path) -> list[Viewed]:
        """Those of a table of one detector or several, in its order."""
        of_each: dict[str, list[dict[str, str]]] = {}
        for row in read_csv(path)[1]:
            of_each.setdefault(row["detector"], []).append(row)
        return [
            cls(
                np.array([int(row["label"]) for row in rows]),
                np.array([row["source"] for row in rows]),
                np.array([row["trained_on"] == "1" for row in rows]),
                np.array([[float(row[view]) for view in VIEWS] for row in rows]),
                name,
                made_with(rows),
            )
            for name, rows in of_each.items()
        ]

    def generators(self) -> tuple[list[str], bool]:
        """Those that the AUC is over, and whether the detector was trained on them.

        Unseen generators; where there are none, all.
        """
        generated = self.labels == 1
        unseen = sorted(set(self.sources[generated & ~self.trained_on]))
        return (unseen, False) if unseen else (sorted(set(self.sources[generated])), True)


def mean_auc(photographs: np.ndarray, generated: Sequence[np.ndarray]) -> float:
    """The mean over generators of the AUC of logits against those of the photographs."""
    ordered = np.sort(photographs)
    places = [
        np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
        for values in generated
    ]
    return float(np.mean([place.mean() for place in places])) / (2 * len(ordered))


def gain_of_averaging(viewed: Viewed) -> tuple[float, float, float, float]:
    """(mean AUC of one phase, gain of the mean of four, and its 95 % interval over pictures).

    One phase is the mean over the four of their AUCs. Pictures are drawn again within each
    generator and within the photographs, the same ones for both.
    """
    phases = viewed.logits[:, : len(PHASES)]
    columns = np.column_stack([phases, phases.mean(1)])
    groups = [np.flatnonzero(viewed.labels == 0)]
    groups += [np.flatnonzero(viewed.sources == name) for name in viewed.generators()[0]]

    def gained(drawn: Sequence[np.ndarray]) -> tuple[float, float]:
        *single, mean = (
            mean_auc(column[drawn[0]], [column[rows] for rows in drawn[1:]]) for column in columns.T
        )
        return float(np.mean(single)), mean - float(np.mean(single))

    rng = np.random.default_rng(0)
    drawn = [gained([rng.choice(rows, len(rows)) for rows in groups])[1] for _ in range(RESAMPLES)]
    single, gain = gained(groups)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return single, gain, float(low), float(high)


def block_of(table: pathlib.Path) -> str:
    """Markdown of the table, where it is there."""
    if not table.is_file():
        return f"Not measured yet: `docs/results/{TABLE}` is not there."
    [viewed] = Viewed.read_all(table)
    return format_block(viewed)


def format_block(viewed: Viewed) -> str:
    """Markdown: the shift by each view, and one paragraph."""
    before = viewed.logits[:, 0]
    photographs = viewed.labels == 0
    spread = before[photographs].std(ddof=1)
    lines = [
        "| the same picture | photographs: mean shift | root mean square "
        "| generated: mean shift | root mean square |",
        "|---|---:|---:|---:|---:|",
    ]
    sizes = []
    for name, after in zip(VIEWS[1:], viewed.logits.T[1:], strict=True):
        cells = []
        for of_them in (photographs, ~photographs):
            change = (after - before)[of_them] / spread
            cells += [f"{change.mean():+.2f}".replace("-", "−"), f"{root_mean_square(change):.2f}"]
        sizes.append(root_mean_square((after - before) / spread))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", _paragraph(viewed, sizes)])


def root_mean_square(values: np.ndarray) -> float:
    """Of all values, of any shape."""
    return float(np.sqrt(np.square(values).mean()))


def _paragraph(viewed: Viewed, sizes: Sequence[float]) -> str:
    single, gain, low, high = gain_of_averaging(viewed)
    names, trained = viewed.generators()
    whom = "that it was trained on" if trained else "that it was not trained on"
    judged = (
        "so averaging helps, by that much for four times the work"
        if low > 0
        else "so averaging harms"
        if high < 0
        else "so that four times the work helps is not shown"
    )
    photographs = int((viewed.labels == 0).sum())
    return (
        f"{viewed.detector}, the middle {SIDE - 2} × {SIDE - 2} pixels of "
        f"{counted(photographs, 'photograph')} and "
        f"{counted(len(viewed.labels) - photographs, 'generated picture')} of `{SPLIT}`; unit: the "
        "standard deviation of the logit over photographs. A view moves the logit of a picture by "
        f"{min(sizes):.2f} to {max(sizes):.2f} of it (root mean square). Mean AUC over "
        f"{counted(len(names), 'generator')} {whom}: {100 * single:.1f} for one phase, and "
        f"{signed(100 * gain)} points for the mean of the four phases' logits (95 % interval over "
        f"pictures {signed(100 * low)} to {signed(100 * high)}), {judged}. Measured with "
        f"{viewed.made}."
    )


def main(arguments: Iterable[str] | None = None) -> None:
    """The command above."""
    write_measured(__doc__, measure, [*FACTS, *VIEWS], arguments)


if __name__ == "__main__":
    run_script(main)
