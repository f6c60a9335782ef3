"""Sweeps in which every variant is compared with one: front ends, colours, fusions, systems."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from docs.research.answer import Answer, absent, missing
from docs.research.comparison_table import comparison_table, forest
from docs.research.comparisons import Comparison, corrected, pair
from docs.research.lists import listed
from docs.research.result_table import ResultTable
from docs.research.wording import capital, counted, interval, outcome, signed


@dataclasses.dataclass(frozen=True)
class Question:
    """One sweep and what its variants are compared with.

    Attributes:
        name: of the answer.
        asked: the question as a reader would ask it.
        table: of the sweep.
        baseline: the variant that the others are compared with.
        called: what the baseline is, for a reader.
        title: of the figure.
        alike: variants that theory says hold the same information as the baseline.
        named: variants that the question names: their differences are always told.
    """

    name: str
    asked: str
    table: str
    baseline: str
    called: str
    title: str
    alike: tuple[str, ...] = ()
    named: tuple[str, ...] = ()


FUSION = Question(
    "fusion",
    "Which way of putting the scales together?",
    "fusion",
    "0.5",
    "NPR at 0.5 alone",
    "Ways to fuse 0.25, 0.5 and 0.75",
    named=("attention", "concatenation", "mean"),
)
MODES = Question(
    "modes",
    "Nearest, bilinear or bicubic?",
    "modes",
    "nearest00",
    "nearest with the top-left reference pixel",
    "How the reference image is resampled",
    ("nearest01", "nearest10", "nearest11", "area"),
    ("bilinear", "bicubic"),
)
COLORS = Question(
    "colors",
    "Which colour space?",
    "colors",
    "rgb",
    "RGB",
    "The colour space of the residual",
    ("ycbcr",),
    ("ycbcr", "lab", "differences"),
)
AUGMENTATION = Question(
    "augmentation",
    "Blur and JPEG in training?",
    "augmentation",
    "flip",
    "mirroring alone",
    "Augmentation in training, clean test images",
)
SYSTEMS = Question(
    "systems",
    "Which system, on the same images and steps?",
    "systems",
    "npr",
    "NPR at 0.5",
    "All systems on the same images",
)
QUESTIONS = (FUSION, MODES, COLORS, AUGMENTATION, SYSTEMS)


def against_baseline(question: Question, tables: Mapping[str, ResultTable]) -> Answer:
    """Every variant of the question's table against its baseline, on unseen generators."""
    table = tables.get(question.table)
    if table is None:
        return missing(question.name, question.asked, absent(question.table))
    if question.baseline not in table.variants:
        return missing(question.name, question.asked, f"{question.baseline} has not run yet")
    unseen = table.generators("unseen")
    others = [name for name in table.variants if name != question.baseline]
    found = [pair(table, name, question.baseline, unseen, name=name) for name in others]
    tests = corrected(sorted(found, key=lambda test: -np.nan_to_num(test.gain, nan=-1e9)))
    if not any(test.measured for test in tests):
        return missing(question.name, question.asked, "fewer than two seeds of any pair have run")
    return Answer(
        question.name,
        question.asked,
        _word(question, tests),
        short=_verdict(question, tests),
        paragraph=_text(question, table, tests, unseen),
        table=comparison_table(tests, f"AUC − {question.baseline}"),
        caption=(
            f"Differences of the mean AUC over unseen generators to {question.called}, 95 % "
            f"intervals over seeds, colours after Holm's correction. {capital(table.sample())}."
        ),
        figure=forest(tests, f"{question.title}, against {question.baseline}"),
    )


def _word(question: Question, tests: Sequence[Comparison]) -> str:
    ahead = [test.name for test in tests if test.holds and test.gain > 0]
    return listed(ahead) if ahead else f"nothing beats {question.called} beyond noise"


def _verdict(question: Question, tests: Sequence[Comparison]) -> str:
    groups: dict[str, list[str]] = {"ahead": [], "behind": [], "within noise": []}
    for test in tests:
        if test.measured:
            groups[outcome(test)].append(f"{test.name} ({signed(test.gain)})")
    parts = [f"{listed(groups[which])} {which}" for which in ("ahead", "behind") if groups[which]]
    rest = len(groups["within noise"])
    if rest:
        parts.append(f"{rest} of {sum(map(len, groups.values()))} within noise")
    opening = (
        f"Nothing measured is better than {question.called} beyond noise"
        if not groups["ahead"]
        else f"Better than {question.called} beyond noise: {listed(groups['ahead'])}"
    )
    if groups["ahead"]:
        parts = parts[1:]
    return f"{opening}{'; ' if parts else ''}{'; '.join(parts)}."


def _text(
    question: Question,
    table: ResultTable,
    tests: Sequence[Comparison],
    unseen: Sequence[str],
) -> str:
    level = table.points(question.baseline, unseen, table.seeds([question.baseline])).mean()
    measured = [test for test in tests if test.measured]
    best, worst = measured[0], measured[-1]
    ends = f"{best.name} comes out highest, {interval(best)}"
    if worst is not best:
        ends += f", {worst.name} lowest, {interval(worst)}"
    named = [
        f"{test.name} {interval(test)}"
        for test in measured
        if test.name in question.named and test.name not in (best.name, worst.name)
    ]
    between = f"; between them {listed(named)}" if named else ""
    absent = [test.name for test in tests if not test.measured]
    waiting = f" Not measured yet: {listed(absent)}." if absent else ""
    return (
        f"The mean AUC over {counted(len(unseen), 'unseen generator')} is {level:.1f} for "
        f"{question.called}. Against it {ends}{between}.{_theory(question, measured)}{waiting}"
    )


def _theory(question: Question, measured: Sequence[Comparison]) -> str:
    """What was predicted to make no difference of information, beside what was measured."""
    alike = [test for test in measured if test.name in question.alike]
    if not alike:
        return ""
    gains = listed([f"{test.name} {signed(test.gain)}" for test in alike])
    held = [test.name for test in alike if test.holds]
    size = max(abs(test.gain) for test in alike)
    if held:
        return (
            f" Theory says that these hold the same information as {question.called}: {gains}. "
            f"{capital(listed(held))} nevertheless differ beyond noise: the same information is "
            "not as easy to learn from."
        )
    return (
        f" Theory says that these hold the same information as {question.called}: {gains}; none "
        f"differs beyond noise, the largest by {size:.1f} points."
    )
