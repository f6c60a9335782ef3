"""Scales one by one: which family is seen at which; do 0.25 and 0.75 help where they should?"""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import figure

from docs.research.answer import Answer, absent, missing
from docs.research.comparison_table import comparison_table, forest
from docs.research.comparisons import Comparison, contrast, corrected, pair
from docs.research.families import DIFFUSION, FAMILIES, GAN, by_family, family_name, members
from docs.research.lists import listed
from docs.research.result_table import ResultTable
from docs.research.wording import capital, counted, interval, outcome, signed
from npr_jax.analysis.figures import style

TRACES = "Do generator families leave their traces at different scales?"
HYPOTHESES = "Does 0.25 help on diffusion decoders, 0.75 on GAN decoders?"
SINGLE = ("0.25", "0.5", "0.75")
THREE_OF_ONE = "0.5+0.5+0.5"
CLAIMS = ((DIFFUSION, "0.25"), (GAN, "0.75"))  # which scale is said to help on which decoders
CONTRAST = "(0.25 − 0.75) on diffusion less GAN"


def traces(table: ResultTable | None, name: str = "traces") -> Answer:
    """The scale at which each family is seen best, and whether any two scales change places."""
    if table is None or not set(SINGLE) <= set(table.variants):
        return missing(name, TRACES, absent("scales"))
    generators, seeds = by_family(table.generators()), table.seeds(SINGLE)
    if len(seeds) < 2:
        return missing(name, TRACES, "fewer than two seeds have run at all three scales")
    combinations = list(itertools.combinations(SINGLE, 2))
    families = {f: names for f in FAMILIES if (names := members(f, generators))}
    keys = [(family, a, b) for family in families for a, b in combinations]
    tests = corrected([pair(table, a, b, families[f], name=f"{f}: {a} − {b}") for f, a, b in keys])
    ahead: dict[tuple[str, str], list[str]] = {}
    for (family, a, b), test in zip(keys, tests, strict=True):
        if test.holds:
            ahead.setdefault((a, b) if test.gain > 0 else (b, a), []).append(family)
    means = {scale: table.points(scale, generators, seeds).mean(axis=0) for scale in SINGLE}
    return Answer(
        name,
        TRACES,
        "in part" if _crossing(ahead) else "not shown",
        short=_traces_verdict(ahead),
        paragraph=_traces_text(means, tests, ahead),
        table=_means_table(generators, means) + "\n\n" + comparison_table(tests),
        caption=(
            "AUC of single-scale NPR per generator: mean and single seeds. "
            f"{capital(table.only_variants(SINGLE).sample())}."
        ),
        figure=_traces_figure(table, generators, seeds),
    )


def _crossing(ahead: Mapping[tuple[str, str], list[str]]) -> list[tuple[str, str]]:
    """Pairs of scales of which each is ahead somewhere."""
    return [(a, b) for a, b in ahead if a < b and (b, a) in ahead]


def _traces_verdict(ahead: dict[tuple[str, str], list[str]]) -> str:
    crossing = _crossing(ahead)
    if crossing:
        places = listed([f"{a} and {b}" for a, b in crossing])
        return (
            f"Yes, in part: {places} change places, each being ahead beyond noise in some family."
        )
    if ahead:
        return (
            "Not shown: no two scales change places. Where one is ahead beyond noise in one "
            "family, the other is so in none."
        )
    return "Not shown: in no family is one scale ahead of another beyond noise."


def _traces_text(
    means: dict[str, np.ndarray],
    tests: Sequence[Comparison],
    ahead: dict[tuple[str, str], list[str]],
) -> str:
    table = np.stack([means[scale] for scale in SINGLE])
    total = table.shape[1]
    wins = np.bincount(table.argmax(axis=0), minlength=len(SINGLE))
    losses = np.bincount(table.argmin(axis=0), minlength=len(SINGLE))
    highest = [f"at {s} for {n}" for s, n in zip(SINGLE, wins, strict=True) if n]
    lowest = [f"at {s} for {n}" for s, n in zip(SINGLE, losses, strict=True) if n]
    parts = [f"{a} ahead of {b} in {listed(names)}" for (a, b), names in sorted(ahead.items())]
    return (
        f"Averaged over all generators the AUC is "
        f"{listed([f'{means[s].mean():.1f} at {s}' for s in SINGLE])}. Of {total} generators the "
        f"mean AUC is highest {listed(highest)}, and lowest {listed(lowest)}. Of {len(tests)} "
        f"comparisons of two scales in one family, {len(parts) and sum(t.holds for t in tests)} "
        f"hold after Holm's correction{': ' if parts else ''}{'; '.join(parts)}."
    )


def _means_table(generators: Sequence[str], means: dict[str, np.ndarray]) -> str:
    lines = [
        f"| generator | family | {' | '.join(f'AUC at {s}' for s in SINGLE)} |",
        f"|---|---|{'---:|' * len(SINGLE)}",
    ]
    for i, generator in enumerate(generators):
        cells = [f"{means[s][i]:.1f}" for s in SINGLE]
        lines.append(f"| {' | '.join([generator, family_name(generator), *cells])} |")
    return "\n".join(lines)


def _traces_figure(
    table: ResultTable, generators: Sequence[str], seeds: Sequence[int]
) -> figure.Figure:
    with style.styled():
        drawing = style.new_figure(6.8, 1.1 + 0.36 * len(generators))
        ax = drawing.add_subplot()
        places = np.arange(len(generators))[::-1]
        looks = zip(SINGLE, (0.22, 0.0, -0.22), style.SERIES, style.MARKERS, strict=False)
        for scale, offset, colour, marker in looks:
            points = table.points(scale, generators, seeds)
            for values in points:
                ax.plot(values, places + offset, "|", color=colour, markersize=5, alpha=0.7)
            mean = points.mean(axis=0)
            ax.plot(
                mean, places + offset, marker, color=colour, markersize=5, label=f"factor {scale}"
            )
        ax.set_yticks(places, [f"{g} ({family_name(g)})" for g in generators])
        ax.set_ylim(-0.6, len(generators) - 0.4)
        ax.axvline(50.0, color=style.BLACK, linewidth=0.8, linestyle=":")
        ax.set_xlabel("AUC (%); strokes: single seeds, dotted: chance")
        ax.set_title(f"Single-scale NPR by generator, {counted(len(seeds), 'seed')}")
        drawing.legend(loc="outside lower center", ncols=len(SINGLE))
        return drawing


def hypotheses(table: ResultTable | None, name: str = "hypotheses") -> Answer:
    """0.25 on diffusion and 0.75 on GAN decoders: alone, added, against a control."""
    if table is None or not set(SINGLE) <= set(table.variants):
        return missing(name, HYPOTHESES, absent("scales"))
    unseen = table.generators("unseen")
    diffusion, gan = members(DIFFUSION, unseen), members(GAN, unseen)
    if not diffusion or not gan:
        return missing(name, HYPOTHESES, "it has no unseen generators of both families")
    pairs: list[Comparison] = []
    for family, scale in CLAIMS:
        names, added = members(family, unseen), _with_half(scale)
        wanted = ((scale, "0.5"), (added, "0.5"), (added, THREE_OF_ONE))
        pairs += [
            pair(table, a, b, names, name=f"{family}: {a} − {b}")
            for a, b in wanted
            if {a, b} <= set(table.variants)
        ]
    pairs.append(
        contrast(CONTRAST, *(pair(table, "0.25", "0.75", names) for names in (diffusion, gan)))
    )
    tests = {test.name: test for test in corrected(pairs)}
    if not all(test.measured for test in tests.values()):
        return missing(name, HYPOTHESES, "fewer than two seeds of some variant have run")
    return Answer(
        name,
        HYPOTHESES,
        ("neither is shown", "one of the two", "yes, both")[_helped(tests)],
        short=_hypotheses_verdict(tests),
        paragraph=_hypotheses_text(tests, diffusion, gan),
        table=comparison_table(list(tests.values())),
        caption=f"Differences in AUC with 95 % intervals over seeds. {capital(table.sample())}.",
        figure=forest(list(tests.values()), "Do 0.25 and 0.75 help where they should?"),
    )


def _helped(tests: Mapping[str, Comparison]) -> int:
    """How many of the two claims hold: ahead of 0.5 alone, or of its three branches when added."""
    helped = 0
    for family, scale in CLAIMS:
        wanted = (f"{scale} − 0.5", f"{_with_half(scale)} − {THREE_OF_ONE}")
        found = [tests.get(f"{family}: {which}") for which in wanted]
        helped += any(test is not None and outcome(test) == "ahead" for test in found)
    return helped


def _hypotheses_verdict(tests: Mapping[str, Comparison]) -> str:
    details = []
    for family, scale in CLAIMS:
        added = _with_half(scale)
        alone = tests[f"{family}: {scale} − 0.5"]
        control = tests.get(f"{family}: {added} − {THREE_OF_ONE}")
        words = [f"alone {signed(alone.gain)} points against 0.5 ({outcome(alone)})"]
        if control is not None:
            words.append(
                f"beside 0.5 {signed(control.gain)} against three branches of 0.5 "
                f"({outcome(control)})"
            )
        details.append(f"{scale} on {family} decoders is {listed(words)}")
    opening = ("Neither is shown", "One of the two is shown", "Both are shown")[_helped(tests)]
    return f"{opening}: {'; '.join(details)}."


def _hypotheses_text(
    tests: dict[str, Comparison], diffusion: Sequence[str], gan: Sequence[str]
) -> str:
    core = tests[CONTRAST]
    relative = {
        "ahead": "0.25 does relatively better on diffusion decoders",
        "behind": "0.25 does relatively worse on diffusion decoders",
        "within noise": "that the family matters for the choice between the two is not shown",
    }[outcome(core)]
    gains = []
    for family, scale in CLAIMS:
        beside = tests.get(f"{family}: {_with_half(scale)} − 0.5")
        if beside is not None:
            gains.append(
                f"{_with_half(scale)} against 0.5 alone on {family} decoders gives "
                f"{interval(beside)}"
            )
    return (
        f"Unseen diffusion decoders are {listed(diffusion)}, unseen GAN decoders {listed(gan)}. "
        f"The common core of both hypotheses is that 0.25 gains on 0.75 from GAN to "
        f"diffusion decoders: {interval(core)}, so {relative}. {'; '.join(gains)}; whether "
        "that is the scale or the second branch is told by the control with three branches of "
        "0.5. p values are Holm-corrected over the comparisons of the table."
    )


def _with_half(scale: str) -> str:
    return "+".join(sorted((scale, "0.5")))
