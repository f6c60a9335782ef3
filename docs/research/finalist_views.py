"""How far the grid of the residuals decides, for several residuals beside each other.

    python -m docs.research.detector_views REALWORLD docs/results/detector/finalist_views.csv \
        --run 0.5=sweeps/wild/0.5/seed0 --run attention=sweeps/wild/attention/seed0

scores each picture shifted by one pixel, mirrored and turned with the detector of each run.
`make results` says in docs/report.md what came out.
"""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import numpy as np

from docs.research import detector_views
from docs.research.detector_views import PHASES, SIDE, SPLIT, Viewed, root_mean_square
from docs.research.wording import capital, counted, signed

TABLE = "detector/finalist_views.csv"  # within docs/results
_SHIFTS, _MIRRORED, _TURNED = slice(1, len(PHASES)), len(PHASES), len(PHASES) + 1


def block_of(table: pathlib.Path) -> str:
    """Markdown of the table, where it is there."""
    if not table.is_file():
        return f"Not measured yet: `docs/results/{TABLE}` is not there."
    return format_block(Viewed.read_all(table))


def format_block(finalists: Sequence[Viewed]) -> str:
    """Markdown: a row for each finalist, and what was measured."""
    lines = [
        "| residuals | shifted by 1 pixel | mirrored | quarter turn "
        "| mean AUC of one phase | gain of the mean of four phases (95 % interval) |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for viewed in finalists:
        single, gain, low, high = detector_views.gain_of_averaging(viewed)
        moved = " | ".join(f"{size:.2f}" for size in _sizes(viewed))
        lines.append(
            f"| {viewed.detector} | {moved} | {100 * single:.1f} "
            f"| {signed(100 * gain)} ({signed(100 * low)} to {signed(100 * high)}) |"
        )
    labels = finalists[0].labels
    made = " and ".join(sorted({viewed.made for viewed in finalists}))
    names, _ = finalists[0].generators()
    photographs = int((labels == 0).sum())
    return "\n".join(
        [
            *lines,
            "",
            f"One run of each, on the middle {SIDE - 2} × {SIDE - 2} pixels of "
            f"{counted(photographs, 'photograph')} and "
            f"{counted(len(labels) - photographs, 'generated picture')} of `{SPLIT}`. How far a "
            "view moves the logit of a picture: root mean square, unit: its standard deviation "
            f"over photographs. AUC: mean over {counted(len(names), 'generator')}, intervals over "
            f"pictures. {capital(made)}.",
        ]
    )


def _sizes(viewed: Viewed) -> tuple[float, float, float]:
    """How far a shift, a mirror image and a quarter turn move the logits of all pictures."""
    before = viewed.logits[:, 0]
    moved = (viewed.logits - before[:, None]) / before[viewed.labels == 0].std(ddof=1)
    kinds = (moved[:, _SHIFTS], moved[:, _MIRRORED], moved[:, _TURNED])
    shift, mirror, turn = (root_mean_square(np.ravel(kind)) for kind in kinds)
    return shift, mirror, turn
