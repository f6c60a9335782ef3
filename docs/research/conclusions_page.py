"""The parts of the report that draw on all answers: experiments, conclusions, recommendations."""

import math
from collections.abc import Mapping, Sequence

from docs.research.answer import Answer
from docs.research.baseline_questions import COLORS, MODES, QUESTIONS, Question
from docs.research.comparisons import Comparison, corrected, pair
from docs.research.lists import listed
from docs.research.multiscale_question import ATTENTION, MORE, SINGLE
from docs.research.result_table import ResultTable
from docs.research.scale_questions import THREE_OF_ONE
from docs.research.wild_questions import INGREDIENTS, LONGER, RESIDUALS
from docs.research.wording import CRITERION, counted, outcome, power, signed

EXPECTED = ("scales", *(asked.table for asked in (*QUESTIONS, RESIDUALS, LONGER, INGREDIENTS)))


def experiments(tables: Mapping[str, ResultTable]) -> str:
    """One line per sweep, and which are missing."""
    lines = [
        "| sweep | variants | runs | seeds | data | training images | tested per generator | "
        "commit | date | machine |",
        "|---|---:|---:|---:|---|---:|---|---|---|---|",
    ]
    for name, table in sorted(tables.items()):
        cells = [
            f"[{name}](results/{name}.csv)",
            str(len(table.variants)),
            str(table.runs),
            str(len(table.seeds())),
            table.said("data"),
            table.said("train_images"),
            table.test_images(),
            table.said("commit"),
            table.said("date"),
            table.said("machine"),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    gone = [f"`docs/results/{name}.csv`" for name in EXPECTED if name not in tables]
    missing = f"Not there yet: {listed(gone)}." if gone else ""
    parts = ["\n".join(lines), missing, _control_family(tables), strength(tables)]
    return "\n\n".join(part for part in parts if part)


def _control_family(tables: Mapping[str, ResultTable]) -> str:
    """Whether any detector reacts to a network without up-sampling."""
    means = [
        (float(table.points(variant, names, table.seeds([variant])).mean()), f"{variant}, {name}")
        for name, table in tables.items()
        if (names := table.generators("control"))
        for variant in table.variants
    ]
    if not means:
        return ""
    low, high = min(means), max(means)
    return (
        f"On the control family, reconstructed without up-sampling, the mean AUC over seeds lies "
        f"between {low[0]:.1f} ({low[1]}) and {high[0]:.1f} ({high[1]}); 50 is chance."
    )


def strength(tables: Mapping[str, ResultTable]) -> str:
    """What so many seeds and generators allow, by the table of the scales."""
    table = tables.get("scales")
    if table is None:
        return ""
    seeds, generators = len(table.seeds()), len(table.generators("unseen"))
    return f"{power(seeds, generators)}{_seeds_needed(table)}"


def _seeds_needed(table: ResultTable) -> str:
    """How many seeds a difference of the criterion would need, from these runs' spread."""
    if not {SINGLE, THREE_OF_ONE} <= set(table.variants):
        return ""
    test = pair(table, THREE_OF_ONE, SINGLE, table.generators("unseen"))
    if not test.measured:
        return ""
    spread = float(test.by_seed.std(ddof=1))
    return (
        f" The difference of {THREE_OF_ONE} and {SINGLE} has a standard deviation of {spread:.1f} "
        f"points between seeds; to find {CRITERION:g} points at such a spread with 80 % power, "
        f"alone and uncorrected, takes {seeds_for(CRITERION, spread)} seeds."
    )


def seeds_for(difference: float, spread: float) -> int:
    """Seeds with which a paired t test finds a difference with 80 % power at level 0.05.

    Args:
        difference: true mean difference, in the unit of ``spread``.
        spread: standard deviation of the difference between seeds, above 0.

    Raises:
        ValueError: if either is not above 0.
    """
    if not (difference > 0 and spread > 0):
        raise ValueError(f"difference is {difference}, spread {spread}; give numbers above 0")
    from scipy import stats

    seeds, power = 1, 0.0
    while power < 0.8:
        seeds += 1
        limit = stats.t.ppf(0.975, seeds - 1)
        shift = difference / spread * math.sqrt(seeds)
        power = stats.nct.sf(limit, seeds - 1, shift) + stats.nct.cdf(-limit, seeds - 1, shift)
    return seeds


def conclusions(answers: Sequence[Answer]) -> str:
    """Question by question, the answer in a few words."""
    lines = ["| question | answer |", "|---|---|"]
    lines += [f"| {answer.question} | {answer.word} |" for answer in answers]
    return "\n".join(lines)


def recommendations(tables: Mapping[str, ResultTable]) -> str:
    """What to build next, as far as the tables say."""
    found = [
        _front_end(MODES, tables, "Reference"),
        _front_end(COLORS, tables, "Colour"),
        *_scales(tables.get("scales")),
        _threshold(tables.get("scales")),
    ]
    return "\n".join(f"* {text}" for text in found if text)


def _front_end(question: Question, tables: Mapping[str, ResultTable], what: str) -> str:
    table = tables.get(question.table)
    if table is None or question.baseline not in table.variants:
        return f"{what}: to be decided when `docs/results/{question.table}.csv` is there."
    unseen = table.generators("unseen")
    others = [name for name in table.variants if name != question.baseline]
    tests = corrected([pair(table, v, question.baseline, unseen, name=v) for v in others])
    ahead = sorted((t for t in tests if t.holds and t.gain > 0), key=lambda t: -t.gain)
    if not ahead:
        return f"{what}: keep {question.called}; nothing beats it beyond noise."
    gains = [f"{test.name} ({signed(test.gain)} points of AUC)" for test in ahead]
    return f"{what}: in place of {question.called}, try {listed(gains)}."


def _scales(table: ResultTable | None) -> list[str]:
    wanted = {SINGLE, ATTENTION, THREE_OF_ONE, MORE}
    if table is None or not wanted <= set(table.variants):
        return []
    unseen = table.generators("unseen")
    against = {
        (a, b): pair(table, a, b, unseen)
        for a, b in (
            (ATTENTION, SINGLE),
            (THREE_OF_ONE, SINGLE),
            (MORE, SINGLE),
            (MORE, THREE_OF_ONE),
        )
    }
    tests = dict(zip(against, corrected(list(against.values())), strict=True))
    return [*_several(tests), _control(tests[THREE_OF_ONE, SINGLE])]


def _several(tests: Mapping[tuple[str, str], Comparison]) -> list[str]:
    three, four = tests[ATTENTION, SINGLE], tests[MORE, SINGLE]
    said = []
    if outcome(three) != "ahead":
        said.append(
            f"Scales: {ATTENTION} with attention is not worth three branches "
            f"({signed(three.gain)} points of AUC against {SINGLE}, {outcome(three)})."
        )
    else:
        said.append(f"Scales: {ATTENTION} with attention gains {signed(three.gain)} points.")
    if outcome(four) == "ahead":
        fair = tests[MORE, THREE_OF_ONE]
        said.append(
            f"If several scales, then one that adds information, 1/8 ({signed(four.gain)} points "
            f"against {SINGLE}); that it is the information and not the branches is "
            f"{'shown' if outcome(fair) == 'ahead' else 'still open'} ({signed(fair.gain)} against "
            f"{THREE_OF_ONE}, {outcome(fair)})."
        )
    return said


def _control(test: Comparison) -> str:
    return (
        f"Controls: compare with several branches of one scale before crediting scales; "
        f"{THREE_OF_ONE} is {signed(test.gain)} points of AUC against {SINGLE} ({outcome(test)})."
    )


def _threshold(table: ResultTable | None) -> str:
    """How much of the accuracy on unseen generators the threshold of 0.5 costs."""
    if table is None or SINGLE not in table.variants:
        return ""
    unseen, seeds = table.generators("unseen"), table.seeds([SINGLE])
    if not seeds:
        return ""
    at_half, best = (
        table.points(SINGLE, unseen, seeds, column).mean()
        for column in ("accuracy", "best_accuracy")
    )
    return (
        f"Threshold: calibrate it. NPR at 0.5 reaches {at_half:.1f} % accuracy on unseen "
        f"generators at the threshold 0.5 and {best:.1f} % at the best threshold of each "
        f"({counted(len(seeds), 'seed')})."
    )
