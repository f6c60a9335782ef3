"""Does multi-scale attention beat single-scale NPR, and does it still beside the controls?"""

from collections.abc import Mapping, Sequence

import numpy as np

from docs.research import repeats
from docs.research.answer import Answer, absent, missing
from docs.research.comparison_table import comparison_table, forest
from docs.research.comparisons import Comparison, corrected, pair
from docs.research.lists import listed
from docs.research.result_table import ResultTable
from docs.research.scale_questions import THREE_OF_ONE
from docs.research.wording import CRITERION, capital, criterion, interval, outcome, signed
from npr_jax.analysis.statistics.wording import format_p

ATTENTION, SINGLE, MORE = "0.25+0.5+0.75", "0.5", "0.125+0.25+0.5+0.75"
# What else a gain could come from, by the variant that has it without choosing between scales.
CONTROLS = {
    "0.25": "all the information, one branch",
    THREE_OF_ONE: "the parameters and the attention, one scale",
    "stacked": "the three scales as channels of one network",
}
QUESTION = f"Does multi-scale attention beat single-scale NPR by {CRITERION:g} points?"
UNDECIDED = "neither shown nor excluded"
OPENINGS = {"shown": "Yes", "excluded": "No", UNDECIDED: "Not shown"}
MEASURES = {
    "auc": "AUC",
    "ap": "AP",
    "accuracy": "accuracy at 0.5",
    "best_accuracy": "best accuracy",
}
REPEAT = {table: (repeats.ATTENTION[table], repeats.NPR[table]) for table in ("fusion", "systems")}
CONCATENATION = "attention − concatenation of features (fusion)"


def multiscale(tables: Mapping[str, ResultTable], name: str = "multiscale") -> Answer:
    """Three scales with attention against NPR at 0.5, and against each control."""
    table = tables.get("scales")
    if table is None or not {ATTENTION, SINGLE} <= set(table.variants):
        return missing(name, QUESTION, absent("scales"))
    against = corrected(_pairs(tables))
    by_name = {test.name: test for test in against}
    main = by_name[f"{ATTENTION} − {SINGLE}"]
    if not main.measured:
        return missing(name, QUESTION, "fewer than two seeds of both detectors have run")
    unseen = table.generators("unseen")
    measures = corrected(
        [pair(table, ATTENTION, SINGLE, unseen, name=m, column=c) for c, m in MEASURES.items()]
    )
    controls = {c: by_name[f"{ATTENTION} − {c}"] for c in CONTROLS if c in table.variants}
    return Answer(
        name,
        QUESTION,
        OPENINGS[judged([main, *_repeats(by_name)])].lower(),
        short=_verdict([main, *_repeats(by_name)], controls),
        paragraph=_text(main, measures, by_name),
        table=comparison_table(against) + "\n\n" + _measures_table(measures),
        caption=(
            "Multi-scale attention NPR against single-scale NPR and the controls: differences of "
            "the mean AUC over unseen generators, 95 % intervals over seeds, colours after Holm's "
            f"correction. {capital(table.sample())}."
        ),
        figure=forest(against, "Multi-scale attention against single scales and controls"),
    )


def _pairs(tables: Mapping[str, ResultTable]) -> list[Comparison]:
    scales, fusion = tables["scales"], tables.get("fusion")
    unseen = scales.generators("unseen")
    others = [SINGLE, "0.75", *CONTROLS]
    pairs = [pair(scales, ATTENTION, other, unseen) for other in others if other in scales.variants]
    pairs += _repeated_pairs(tables, pair(scales, ATTENTION, SINGLE, unseen))
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


def _repeat_name(table: str) -> str:
    return f"{ATTENTION} − {SINGLE}, repeated ({table})"


def _repeated_pairs(tables: Mapping[str, ResultTable], main: Comparison) -> list[Comparison]:
    """The main comparison in other sweeps, without what is bit-identical: it says no more."""
    distinct: list[Comparison] = []
    for name, (variant, baseline) in REPEAT.items():
        table = tables.get(name)
        if table is None or not {variant, baseline} <= set(table.variants):
            continue
        unseen = table.generators("unseen")
        found = pair(table, variant, baseline, unseen, name=_repeat_name(name))
        if not any(np.array_equal(found.by_seed, known.by_seed) for known in [main, *distinct]):
            distinct.append(found)
    return distinct


def _repeats(by_name: Mapping[str, Comparison]) -> list[Comparison]:
    """What was measured of the main comparison in other sweeps."""
    found = [by_name.get(_repeat_name(table)) for table in REPEAT]
    return [test for test in found if test is not None and test.measured]


def judged(repeated: Sequence[Comparison]) -> str:
    """What all repeats of a comparison say of the criterion; neither where they disagree."""
    found = {criterion(test) for test in repeated}
    return found.pop() if len(found) == 1 else UNDECIDED


def _verdict(repeated: Sequence[Comparison], controls: Mapping[str, Comparison]) -> str:
    main, *again = repeated
    whole = judged(repeated)
    spread = ""
    if again:
        gains = [
            f"{signed(test.gain)} ({signed(test.low)} to {signed(test.high)})" for test in again
        ]
        spread = f", and {listed(gains)} when repeated"
    beaten = [name for name, test in controls.items() if outcome(test) == "ahead"]
    ahead = [f"{name} ({signed(controls[name].gain)})" for name in beaten]
    rest = [
        f"{name} ({signed(test.gain)}{', behind' if outcome(test) == 'behind' else ''})"
        for name, test in controls.items()
        if name not in beaten
    ]
    words = [f"ahead of {listed(ahead)}"] if ahead else []
    words += [f"not ahead of {listed(rest)}"] if rest else []
    return (
        f"{OPENINGS[whole]}: multi-scale attention is {signed(main.gain)} points of AUC against "
        f"single-scale NPR (95 % interval {signed(main.low)} to {signed(main.high)}){spread}; a "
        f"gain of {CRITERION:g} points is {whole}. Beyond noise it is "
        f"{', '.join(words)}."
    )


def _text(
    main: Comparison, measures: Sequence[Comparison], by_name: Mapping[str, Comparison]
) -> str:
    shares = [f"{what} ({variant})" for variant, what in CONTROLS.items()]
    others = [f"{test.name} {signed(test.gain)} ({criterion(test)})" for test in measures]
    return (
        f"A gain of {CRITERION:g} points, measure by measure: {listed(others)}. The controls have "
        f"{listed(shares)}.{_same_scale(by_name)}{_four_scales(by_name)}"
    )


def _same_scale(by_name: Mapping[str, Comparison]) -> str:
    """Three branches of one scale: what is left for the scales to explain."""
    test = by_name.get(f"{ATTENTION} − {THREE_OF_ONE}")
    if test is None or not test.measured:
        return ""
    reading = {
        "ahead": "different scales do better than one scale three times",
        "behind": "different scales do worse than one scale three times",
        "within noise": "nothing measured here speaks for the scales themselves",
    }[outcome(test)]
    return f" Against three branches that all see 0.5 it is {interval(test)}: {reading}."


def _four_scales(by_name: Mapping[str, Comparison]) -> str:
    """The set with 1/8, the only one that adds dimensions to 1/4."""
    more = by_name.get(f"{MORE} − {SINGLE}")
    fair = by_name.get(f"{MORE} − {THREE_OF_ONE}")
    if more is None or fair is None or not (more.measured and fair.measured):
        return ""
    return (
        f" With 1/8 as a fourth scale, which alone adds dimensions to 1/4, attention is "
        f"{outcome(more)} against single-scale NPR, {interval(more)}, and {outcome(fair)} "
        f"against three branches of 0.5, {interval(fair)}, which have one branch less."
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
            f"| {format_p(test.p_value)} | {criterion(test)} |"
        )
    return "\n".join(lines)
