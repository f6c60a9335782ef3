"""Does multi-scale attention beat single-scale NPR, and does it still beside the controls?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from npr_jax.analysis.research.answer import Answer, missing
from npr_jax.analysis.research.comparison_table import comparison_table, forest
from npr_jax.analysis.research.comparisons import Comparison, Pair, compare, pair
from npr_jax.analysis.research.result_table import ResultTable
from npr_jax.analysis.research.scale_questions import THREE_OF_ONE
from npr_jax.analysis.research.wording import (
    CRITERION,
    capital,
    criterion,
    interval,
    listed,
    outcome,
    probability,
    signed,
)

ATTENTION, SINGLE, MORE = "0.25+0.5+0.75", "0.5", "0.125+0.25+0.5+0.75"
# What else a gain could come from, by the variant that has it without choosing between scales.
CONTROLS = {
    "0.25": "all the information, one branch",
    THREE_OF_ONE: "the parameters and the attention, one scale",
    "stacked": "the three scales as channels of one network",
}
MEASURES = {"auc": "AUC", "ap": "AP", "accuracy": "accuracy at 0.5", "best_accuracy": "best accuracy"}
CONCATENATION = "attention − concatenation of features (fusion)"


def multiscale(tables: Mapping[str, ResultTable], name: str = "multiscale") -> Answer:
    """Three scales with attention against NPR at 0.5, and against each control."""
    table = tables.get("scales")
    if table is None or not {ATTENTION, SINGLE} <= set(table.variants):
        return missing(name, "scales")
    against = compare(_pairs(tables))
    by_name = {test.name: test for test in against}
    main = by_name[f"{ATTENTION} − {SINGLE}"]
    if not main.measured:
        return missing(name, "scales", "fewer than two seeds of both detectors have run")
    unseen = table.generators("unseen")
    measures = compare(
        [pair(table, ATTENTION, SINGLE, unseen, name=m, column=c) for c, m in MEASURES.items()]
    )
    controls = {c: by_name[f"{ATTENTION} − {c}"] for c in CONTROLS if c in table.variants}
    return Answer(
        name,
        short=_verdict(main, controls),
        paragraph=_text(main, measures, by_name),
        table=comparison_table(against) + "\n\n" + _measures_table(measures),
        caption=(
            "Multi-scale attention NPR against single-scale NPR and the controls: differences of "
            "the mean AUC over unseen generators, 95 % intervals over seeds, colours after Holm's "
            f"correction. {capital(table.sample())}."
        ),
        figure=forest(against, "Multi-scale attention against single scales and controls"),
    )


def _pairs(tables: Mapping[str, ResultTable]) -> list[Pair]:
    scales, fusion = tables["scales"], tables.get("fusion")
    unseen = scales.generators("unseen")
    others = [SINGLE, "0.75", *CONTROLS]
    pairs = [pair(scales, ATTENTION, other, unseen) for other in others if other in scales.variants]
    if fusion is not None and {"attention", "concatenation"} <= set(fusion.variants):
        pairs.append(
            pair(
                fusion,
                "attention",
                "concatenation",
                fusion.generators("unseen"),
                name=CONCATENATION,
            )
        )
    if MORE in scales.variants:
        pairs += [pair(scales, MORE, other, unseen) for other in (SINGLE, ATTENTION, THREE_OF_ONE)]
    return pairs


def _verdict(main: Comparison, controls: Mapping[str, Comparison]) -> str:
    opening = {"shown": "Yes", "excluded": "No", "neither shown nor excluded": "Not shown"}
    beaten = [name for name, test in controls.items() if outcome(test) == "ahead"]
    rest = [
        f"{name} ({signed(test.gain)}, {outcome(test)})"
        for name, test in controls.items()
        if name not in beaten
    ]
    words = []
    if beaten:
        gains = [f"{name} ({signed(controls[name].gain)})" for name in beaten]
        words.append(f"it is ahead of the control {listed(gains)} beyond noise")
    if rest:
        words.append(f"{'but ' if beaten else 'it is '}not ahead of {listed(rest)}")
    return (
        f"{opening[criterion(main)]}: multi-scale attention is {signed(main.gain)} points of AUC "
        f"against single-scale NPR (95 % interval {signed(main.low)} to {signed(main.high)}), so a "
        f"gain of {CRITERION:g} points is {criterion(main)}; {', '.join(words)}."
    )


def _text(
    main: Comparison, measures: Sequence[Comparison], by_name: Mapping[str, Comparison]
) -> str:
    single = by_name.get(f"{ATTENTION} − {THREE_OF_ONE}")
    capacity = ""
    if single is not None and single.measured:
        capacity = (
            " What it gains it gains from its scales."
            if outcome(single) == "ahead" and main.gain > 0
            else f" Three branches that all see 0.5 do as well or better ({interval(single)}): these "
            "runs give no reason to credit the scales with anything."
            if single.gain <= 0
            else f" Against three branches that all see 0.5 the difference is {interval(single)}: not "
            "more than seeds alone bring about."
        )
    others = [f"{test.name} {signed(test.gain)} ({criterion(test)})" for test in measures]
    more = by_name.get(f"{MORE} − {SINGLE}")
    four = ""
    if more is not None and more.measured:
        fair = by_name[f"{MORE} − {THREE_OF_ONE}"]
        four = (
            f" Four scales, the only set here that theory says sees more, are {outcome(more)} of "
            f"single-scale NPR: {interval(more)}; against three branches of 0.5 it is "
            f"{interval(fair)}."
        ).replace("are within noise of", "are within noise beside")
    return (
        f"A gain of {CRITERION:g} points, measure by measure: {listed(others)}.{capacity}{four} The "
        f"controls share with the detector {listed([f'{what} ({v})' for v, what in CONTROLS.items()])}."
    )


def _measures_table(measures: Sequence[Comparison]) -> str:
    lines = [
        f"| {ATTENTION} − {SINGLE} | points | 95 % interval | over seeds (t, Holm) "
        f"| {CRITERION:g} points |",
        "|---|---:|---:|---|---|",
    ]
    for test in measures:
        lines.append(
            f"| {test.name} | {signed(test.gain)} | {signed(test.low)} to {signed(test.high)} "
            f"| {probability(test.p_value)} | {criterion(test)} |"
        )
    return "\n".join(lines)
