"""What more training images, and more decoders of reconstructions, bring on real pictures.

Runs of the sweep ``ingredients`` of configs/sweeps/wild.py, which all see as many crops: of fewer
images each is seen more often. How far more steps go is told in docs/detector.md.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import axes, figure

from docs.research.answer import Answer, absent, missing
from docs.research.comparison_table import comparison_table
from docs.research.comparisons import Comparison, corrected, pair
from docs.research.lists import listed
from docs.research.result_table import ResultTable
from docs.research.wild_questions import INGREDIENTS
from docs.research.wording import capital, counted, interval, outcome, signed
from npr_jax.analysis.figures import style

NAME = "learning"
QUESTION = "Would more images, or more decoders, find more generators?"
# {variant: what it is trained on}, the least first.
IMAGES = {
    "eighth_of_images": "an eighth",
    "quarter_of_images": "a quarter",
    "half_of_images": "half",
    "all": "all",
}
DECODERS = {"no_reconstructions": 0, "two_decoders": 2, "five_decoders": 5, "all": 13}


def learning_curve(tables: Mapping[str, ResultTable]) -> Answer:
    """Every step of both curves, and its gain."""
    table = tables.get(INGREDIENTS.table)
    if table is None:
        return missing(NAME, QUESTION, absent(INGREDIENTS.table))
    gone = [name for name in {**IMAGES, **DECODERS} if name not in table.variants]
    if gone:
        return missing(
            NAME, QUESTION, f"{listed(gone)} {'has' if len(gone) == 1 else 'have'} not run"
        )
    shown = table.only_variants([*IMAGES, *DECODERS])
    unseen = shown.generators("unseen")
    mean = shown.mean_of_deliveries()
    images, decoders = _steps(mean, list(IMAGES), unseen), _steps(mean, list(DECODERS), unseen)
    tests = corrected([*images, *decoders])
    doubled, added = tests[len(images) - 1], tests[-1]
    return Answer(
        NAME,
        QUESTION,
        f"{_word(doubled, 'images')}; {_word(added, 'decoders')}",
        short=(
            f"From half of the images to all: {signed(doubled.gain)} points "
            f"({outcome(doubled)}); from 5 decoders to 13: {signed(added.gain)} ({outcome(added)})."
        ),
        paragraph=_paragraph(mean, tests, unseen),
        table=comparison_table(tests),
        caption=(
            "Mean AUC over unseen generators by training images and by decoders, strokes: single "
            f"seeds. {capital(shown.sample())}."
        ),
        figure=_figure(shown, unseen),
    )


def _steps(table: ResultTable, names: Sequence[str], unseen: Sequence[str]) -> list[Comparison]:
    """Each variant against the one before it."""
    return [pair(table, name, before, unseen) for before, name in itertools.pairwise(names)]


def _word(test: Comparison, what: str) -> str:
    if test.holds:
        return f"more {what} {'help' if test.gain > 0 else 'harm'}"
    return f"that more {what} help is not shown"


def _paragraph(table: ResultTable, tests: Sequence[Comparison], unseen: Sequence[str]) -> str:
    def level(name: str) -> str:
        return f"{table.points(name, unseen, table.seeds([name])).mean():.1f}"

    images = [f"{level(name)} with {called}" for name, called in IMAGES.items()]
    decoders = [f"{level(name)} with {number or 'none'}" for name, number in DECODERS.items()]
    held = [test.name for test in tests if test.holds]
    steps = f"Beyond noise: {listed(held)}." if held else "No single step is beyond noise."
    doubled, added = tests[len(IMAGES) - 2], tests[-1]
    return (
        f"The mean AUC over {counted(len(unseen), 'unseen generator')} and three deliveries is "
        f"{listed(images)} of the images, and {listed(decoders)} of the 13 decoders. The last "
        f"doubling of the images brings {interval(doubled)}, the step from 5 decoders to 13 "
        f"{interval(added)}. {steps}"
    )


def _figure(table: ResultTable, unseen: Sequence[str]) -> figure.Figure:
    sizes = [_training_images(table, name) for name in IMAGES]
    with style.styled():
        drawing = style.new_figure(6.8, 3.4)
        left, right = drawing.subplots(1, 2, sharey=True)
        _panel(left, table, unseen, dict(zip(IMAGES, sizes, strict=True)))
        left.set_xscale("log", base=2)
        left.set_xticks(sizes, [f"{size:,}" for size in sizes])
        left.minorticks_off()
        left.set_xlabel("training images and reconstructions")
        left.set_ylabel("mean AUC (%)")
        left.set_title("Fewer images of all kinds")
        _panel(right, table, unseen, DECODERS)
        right.set_xticks(list(DECODERS.values()))
        right.set_xlabel("decoders of reconstructions")
        right.set_title("Fewer decoders")
        drawing.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
        return drawing


def _training_images(table: ResultTable, name: str) -> int:
    return next(int(row["train_images"]) for row in table.rows if row["variant"] == name)


def _panel(
    ax: axes.Axes, table: ResultTable, unseen: Sequence[str], places: Mapping[str, float]
) -> None:
    """A line for each delivery, from the least to all."""
    for delivery, colour, marker in zip(
        table.deliveries, style.SERIES, style.MARKERS, strict=False
    ):
        part = table.of_delivery(delivery)
        seeds = [part.points(name, unseen, part.seeds([name])).mean(axis=1) for name in places]
        ax.plot(
            list(places.values()),
            [each.mean() for each in seeds],
            marker=marker,
            color=colour,
            markersize=5,
            label=delivery,
        )
        for place, each in zip(places.values(), seeds, strict=True):
            ax.plot(np.full(len(each), place), each, "_", color=colour, markersize=7)
