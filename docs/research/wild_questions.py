"""Which residuals, and which parts of the recipe, find real generated pictures.

The sweeps of configs/sweeps/wild.py, whose runs are tested after several deliveries: a variant is
compared with the baseline by the mean over deliveries, and by that delivery after which it does
worst. Of the residuals, those with more seeds than the others are the finalists: all are compared
on the seeds that all have, the finalists again on theirs, and with more steps.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import numpy as np

from docs.research.answer import Answer, missing
from docs.research.baseline_questions import Question, against_baseline
from docs.research.comparison_table import comparison_table
from docs.research.comparisons import Comparison, corrected, pair
from docs.research.lists import listed
from docs.research.result_table import ResultTable
from docs.research.scale_questions import THREE_OF_ONE
from docs.research.wording import CRITERION, counted, criterion, interval, power, signed

RESIDUALS = Question(
    "residuals",
    "Which residuals find real generated pictures?",
    "residuals",
    "0.5",
    "NPR at 0.5",
    "Residuals and networks on real pictures, mean of three deliveries",
    named=("attention",),
)
FINALISTS = Question(
    "finalists",
    "Do several scales find more real generated pictures than one?",
    RESIDUALS.table,
    RESIDUALS.baseline,
    RESIDUALS.called,
    "The finalists on real pictures, mean of three deliveries",
    named=("attention",),
)
LONGER = Question(
    "longer",
    "Do the gains of several scales last with three times as many steps?",
    "longer",
    RESIDUALS.baseline,
    RESIDUALS.called,
    "The finalists with more steps, mean of three deliveries",
    named=("attention",),
)
INGREDIENTS = Question(
    "ingredients",
    "What is each part of the recipe for real pictures worth?",
    "ingredients",
    "all",
    "the whole recipe",
    "The recipe without one part each, mean of three deliveries",
)
# Of the ingredients, what docs/research/learning_curve.py is about.
LESS_DATA = (
    *("two_decoders", "five_decoders"),
    *("eighth_of_images", "quarter_of_images", "half_of_images"),
)
ATTENTION, FOUR_SCALES = "attention", "four_scales"
# What has attention, and what a gain of it could come from instead.
ATTENDED = {
    ATTENTION: "Attention over 0.25, 0.5 and 0.75",
    FOUR_SCALES: "Attention over 0.125, 0.25, 0.5 and 0.75",
}
CONTROLS = ("0.5", "0.25", "three_of_0.5", "stacked", "stacked_four", "published")
# The same variant in a table of the embedded data, and what it is compared with there.
EMBEDDED = {
    "0.25": ("scales", "0.25", "0.5"),
    ATTENTION: ("scales", "0.25+0.5+0.75", "0.5"),
    "two_scales": ("scales", "0.25+0.5", "0.5"),
    "four_scales": ("scales", "0.125+0.25+0.5+0.75", "0.5"),
    "three_of_0.5": ("scales", THREE_OF_ONE, "0.5"),
    "stacked": ("scales", "stacked", "0.5"),
    "bilinear": ("modes", "bilinear", "nearest00"),
    "wavelet": ("modes", "hh", "nearest00"),
    "pixels": ("modes", "none", "nearest00"),
    "differences": ("colors", "differences", "rgb"),
}


def residuals(tables: Mapping[str, ResultTable]) -> Answer:
    """Every residual and network against NPR at 0.5, on the seeds that all have been run with."""
    table = tables.get(RESIDUALS.table)
    if table is None:
        return _answer(RESIDUALS, tables, [])
    screened = table.only_seeds(table.seeds(table.variants))
    return _answer(RESIDUALS, {**tables, RESIDUALS.table: screened}, [_agreement])


def finalists(tables: Mapping[str, ResultTable]) -> Answer:
    """Those with the most seeds against NPR at 0.5, and attention against its best control."""
    table = tables.get(FINALISTS.table)
    if table is None:
        return _answer(FINALISTS, tables, [])
    chosen_by = table.seeds(table.variants)
    most = max(len(table.seeds([name])) for name in table.variants)
    if most == len(chosen_by):
        reason = "no residual has been run with more seeds than the others"
        return missing(FINALISTS.name, FINALISTS.asked, reason)
    last = table.only_variants(name for name in table.variants if len(table.seeds([name])) == most)

    def fresh(over: Mapping[str, ResultTable]) -> str:
        return _fresh(over[FINALISTS.table], chosen_by)

    attentions = _attentions(FINALISTS.table)
    return _answer(FINALISTS, {**tables, FINALISTS.table: last}, [fresh, *attentions])


def longer(tables: Mapping[str, ResultTable]) -> Answer:
    """The finalists after more steps, and what the same seeds gave after fewer."""
    return _answer(LONGER, tables, [_shorter, *_attentions(LONGER.table)])


def ingredients(tables: Mapping[str, ResultTable]) -> Answer:
    """The recipe without each of its parts against the whole."""
    table = tables.get(INGREDIENTS.table)
    if table is None:
        return _answer(INGREDIENTS, tables, [])
    parts = table.only_variants(name for name in table.variants if name not in LESS_DATA)
    return _answer(INGREDIENTS, {**tables, INGREDIENTS.table: parts}, [])


def _answer(question: Question, tables: Mapping[str, ResultTable], more: Sequence) -> Answer:
    whole = tables.get(question.table)
    over = dict(tables)
    if whole is not None:
        over[question.table] = whole.mean_of_deliveries()
    answer = against_baseline(question, over)
    if whole is None or answer.figure is None:
        return answer
    unseen = whole.generators("unseen")
    worst = worst_deliveries(whole, unseen)
    tests = corrected(
        [
            pair(worst, name, question.baseline, unseen, name=name)
            for name in whole.variants
            if name != question.baseline
        ]
    )
    seeds = len(over[question.table].seeds([question.baseline]))
    parts = [
        answer.paragraph,
        _by_delivery(question, whole, unseen),
        *(tell(over) for tell in more),
        power(seeds, len(unseen)),
    ]
    return dataclasses.replace(
        answer,
        paragraph=" ".join(part for part in parts if part),
        table="\n\n".join(
            [
                answer.table,
                "The same after the delivery after which each run does worst:",
                comparison_table(_sorted(tests), f"AUC − {question.baseline}"),
                _levels(whole, unseen),
            ]
        ),
    )


def worst_deliveries(table: ResultTable, generators: Sequence[str]) -> ResultTable:
    """Of each run the rows of that delivery after which its mean AUC over generators is least."""
    rows = []
    for variant in table.variants:
        seeds = table.seeds([variant])
        means = np.array(
            [
                table.of_delivery(name).points(variant, generators, seeds).mean(axis=1)
                for name in table.deliveries
            ]
        )
        least = dict(zip(seeds, means.argmin(axis=0), strict=True))
        rows += [
            row
            for row in table.rows
            if row["variant"] == variant and row["delivery"] == table.deliveries[least[row["seed"]]]
        ]
    return ResultTable(table.name, rows)


def _sorted(tests: Sequence[Comparison]) -> list[Comparison]:
    return sorted(tests, key=lambda test: -np.nan_to_num(test.gain, nan=-1e9))


def _by_delivery(question: Question, table: ResultTable, unseen: Sequence[str]) -> str:
    """The variant that comes out highest over all deliveries, delivery by delivery."""
    others = [name for name in table.variants if name != question.baseline]
    mean = table.mean_of_deliveries()
    measured = [
        (pair(mean, name, question.baseline, unseen).gain, name)
        for name in others
        if mean.seeds([name, question.baseline])
    ]
    best = max(measured)[1]
    gains = []
    for delivery in table.deliveries:
        gain = pair(table.of_delivery(delivery), best, question.baseline, unseen).gain
        gains.append(f"{signed(gain)} {delivery}")
    return f"By delivery {best} gains {listed(gains)}."


def _fresh(table: ResultTable, chosen_by: Sequence[int]) -> str:
    """The differences on those seeds alone that did not choose the finalists."""
    seeds = [seed for seed in table.seeds() if seed not in chosen_by]
    unseen, left = table.generators("unseen"), table.only_seeds(seeds)
    tests = [
        pair(left, name, FINALISTS.baseline, unseen, name=name)
        for name in table.variants
        if name != FINALISTS.baseline
    ]
    gains = [f"{test.name} {signed(test.gain)}" for test in _sorted(tests)]
    return (
        f"The first {counted(len(chosen_by), 'seed')} also chose the finalists, which favours "
        f"them; with the other {len(seeds)} alone the differences are {listed(gains)}."
    )


def _shorter(tables: Mapping[str, ResultTable]) -> str:
    """The differences of the same variants and seeds in the runs with fewer steps."""
    table, short = tables[LONGER.table], tables.get(RESIDUALS.table)
    if short is None:
        return ""
    short = short.mean_of_deliveries()
    unseen = table.generators("unseen")
    tests = []
    for name in table.variants:
        both = short.only_seeds(table.seeds([name, LONGER.baseline]))
        if name != LONGER.baseline and name in both.variants:
            tests.append(pair(both, name, LONGER.baseline, unseen, name=name))
    if not tests:
        return ""
    same = short.only_seeds(table.seeds([LONGER.baseline]))
    level = same.points(LONGER.baseline, unseen, same.seeds([LONGER.baseline])).mean()
    gains = [f"{test.name} {signed(test.gain)}" for test in _sorted(tests)]
    return (
        f"Of the same seeds after {short.said('steps')} steps in place of {table.said('steps')}, "
        f"{LONGER.called} has {level:.1f}, and the differences to it are {listed(gains)}."
    )


def _attention(tables: Mapping[str, ResultTable], of: str, name: str) -> str:
    """Whether a variant with attention gains what it would have to on its best control."""
    table = tables[of]
    controls = [control for control in CONTROLS if control in table.variants]
    if name not in table.variants or not controls:
        return ""
    unseen = table.generators("unseen")
    seeds = table.seeds([name, *controls])
    best = max(controls, key=lambda control: table.points(control, unseen, seeds).mean())
    test = pair(table, name, best, unseen)
    if not test.measured:
        return ""
    size = _parameters(table, name) / _parameters(table, best)
    return (
        f"{ATTENDED[name]} has {size:.1f} times the parameters of its best "
        f"control, {best}, and against it {interval(test)}, p not corrected: that it gains "
        f"{CRITERION:g} points is {criterion(test)}."
    )


def _attentions(of: str) -> list[functools.partial[str]]:
    return [functools.partial(_attention, of=of, name=name) for name in ATTENDED]


def _agreement(tables: Mapping[str, ResultTable]) -> str:
    """In how many variants the sign of the difference is that of the embedded data."""
    wild = tables[RESIDUALS.table]
    same: list[str] = []
    other: list[str] = []
    for variant, (name, twin, baseline) in EMBEDDED.items():
        embedded = tables.get(name)
        if embedded is None or variant not in wild.variants or twin not in embedded.variants:
            continue
        here = pair(wild, variant, RESIDUALS.baseline, wild.generators("unseen"))
        there = pair(embedded, twin, baseline, embedded.generators("unseen"))
        if here.measured and there.measured:
            (same if here.gain * there.gain > 0 else other).append(variant)
    if not same and not other:
        return ""
    differ = f", not of {listed(other)}" if other else ""
    return (
        f"The sign of the difference is that of the embedded data for {len(same)} of "
        f"{len(same) + len(other)} variants{f' ({listed(same)})' if same else ''}{differ}."
    )


def _parameters(table: ResultTable, variant: str) -> int:
    return next(int(row["parameters"]) for row in table.rows if row["variant"] == variant)


def _levels(table: ResultTable, unseen: Sequence[str]) -> str:
    """Mean AUC of each variant after each delivery, and after the worst of each run."""
    worst = worst_deliveries(table, unseen)
    heads = [*table.deliveries, "worst"]
    lines = [
        f"Mean AUC over {counted(len(unseen), 'unseen generator')} and seeds:",
        "",
        f"| variant | parameters | seeds | {' | '.join(heads)} |",
        f"|---|---:|---:|{'---:|' * len(heads)}",
    ]
    for variant in table.variants:
        seeds = table.seeds([variant])
        parts = [*(table.of_delivery(name) for name in table.deliveries), worst]
        cells = [f"{part.points(variant, unseen, seeds).mean():.1f}" for part in parts]
        lines.append(
            f"| {variant} | {_parameters(table, variant):,} | {len(seeds)} | {' | '.join(cells)} |"
        )
    return "\n".join(lines)
