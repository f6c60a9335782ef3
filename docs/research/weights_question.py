"""Do attention weights differ by family, agree within one, and tell which scale is needed?"""

from collections.abc import Sequence

import numpy as np
from matplotlib import figure

from docs.research.answer import Answer, absent, missing
from docs.research.comparisons import Comparison, corrected, pair
from docs.research.families import by_family, family_name
from docs.research.lists import listed
from docs.research.multiscale_question import ATTENTION
from docs.research.result_table import WEIGHT, ResultTable
from docs.research.wording import capital, counted, interval, signed
from npr_jax.analysis.figures import style
from npr_jax.analysis.statistics.permutation import PermutationTest, families_cohere
from npr_jax.analysis.statistics.wording import LEVEL, format_p

REMOVED = {"0.25": "0.5+0.75", "0.5": "0.25+0.75", "0.75": "0.25+0.5"}  # what is left without it
QUESTION = "Do the attention weights differ by family, and agree within one?"
COLLAPSED = 90.0  # percent; a mean weight above it leaves the other scales next to nothing
HATCHES = ("", "///", "...", "xxx")


def weights(table: ResultTable | None, name: str = "weights") -> Answer:
    """How the weights of three scales spread over seeds, generators and families."""
    if table is None or ATTENTION not in table.variants:
        return missing(name, QUESTION, absent("scales"))
    seeds, scales = table.seeds([ATTENTION]), table.scales(ATTENTION)
    generators = by_family(name for name in table.generators() if family_name(name) != "-")
    columns = [f"{WEIGHT}{scale}" for scale in scales]
    # [scales, seeds, generators], in percent.
    values = np.stack([table.points(ATTENTION, generators, seeds, c) for c in columns])
    photographs = np.stack([table.points(ATTENTION, ["photographs"], seeds, c) for c in columns])
    if len(seeds) < 2:
        return missing(name, QUESTION, "fewer than two seeds have run")
    families = np.array([family_name(name) for name in generators])
    test = families_cohere(values.mean(axis=1).T, families)
    removals = _removals(table)
    return Answer(
        name,
        QUESTION,
        "they do" if test.p_value < LEVEL else "not shown",
        short=_verdict(values, test.p_value, removals, scales),
        paragraph=_text(values, photographs, scales, test)
        + f" {_favourites(table)}"
        + _removal_text(values, scales, removals),
        table=_table(values, photographs, scales, generators),
        caption=(
            f"Mean attention weight of each scale, one panel per seed, {ATTENTION}. "
            f"{capital(table.only_variants([ATTENTION]).sample())}."
        ),
        figure=_figure(values, photographs, scales, generators, seeds),
    )


def _removals(table: ResultTable) -> dict[str, Comparison]:
    """{scale: what taking it away changes in the mean AUC over unseen generators}."""
    unseen = table.generators("unseen")
    found = {
        scale: pair(table, left, ATTENTION, unseen)
        for scale, left in REMOVED.items()
        if left in table.variants
    }
    return dict(zip(found, corrected(list(found.values())), strict=True))


def _shares(values: np.ndarray) -> tuple[float, float]:
    """Shares of the weights' variance that lie between seeds and between generators, in percent."""
    total = values.var(axis=(1, 2)).sum()
    if total == 0:
        return 0.0, 0.0
    seeds = values.mean(axis=2).var(axis=1).sum()
    generators = values.mean(axis=1).var(axis=1).sum()
    return 100 * float(seeds / total), 100 * float(generators / total)


def _verdict(
    values: np.ndarray, p_value: float, removals: dict[str, Comparison], scales: Sequence[str]
) -> str:
    collapsed, total = _collapsed(values), values.shape[1]
    choice = (
        f"The attention hardly chooses: in {collapsed} of {counted(total, 'seed')} one scale has "
        f"more than {COLLAPSED:g} % of the weight over all generators"
        if 2 * collapsed > total
        else f"The attention spreads: in {collapsed} of {counted(total, 'seed')} only one scale "
        f"has more than {COLLAPSED:g} % of the weight"
    )
    family = (
        f"generators of one family have more similar weights than others ({format_p(p_value)})"
        if p_value < LEVEL
        else f"that weights go with the family is not shown ({format_p(p_value)})"
    )
    means = values.mean(axis=(1, 2))
    heaviest = scales[int(means.argmax())]
    gone, needed = removals.get(heaviest), ""
    if gone is not None and gone.measured:
        noise = "beyond noise" if gone.holds else "within noise"
        change = f"the AUC changes by {signed(gone.gain)} points ({noise})"
        needed = f" Trained without the heaviest scale, {heaviest} ({means.max():.0f} %), {change}."
    return f"{choice}; {family}.{needed}"


def _collapsed(values: np.ndarray) -> int:
    """Seeds in which one scale has nearly all the weight, over all generators."""
    return int((values.mean(axis=2).max(axis=0) > COLLAPSED).sum())


def _favourites(table: ResultTable) -> str:
    """Which scale has the most weight in how many seeds, for every set of different scales."""
    parts = []
    for variant in table.variants:
        scales = table.scales(variant)
        if len(scales) < 2 or variant != "+".join(scales):
            continue
        seeds = table.seeds([variant])
        values = [
            table.points(variant, table.generators(), seeds, WEIGHT + scale).mean(axis=1)
            for scale in scales
        ]
        wins = np.bincount(np.argmax(values, axis=0), minlength=len(scales))
        won = [f"{scale} in {n}" for scale, n in zip(scales, wins, strict=True) if n]
        parts.append(f"{variant}: {listed(won)}")
    return f"The scale with the most weight, by number of seeds: {'; '.join(parts)}."


def _text(
    values: np.ndarray,
    photographs: np.ndarray,
    scales: Sequence[str],
    test: PermutationTest,
) -> str:
    means = [f"{m:.1f} % on {s}" for s, m in zip(scales, values.mean(axis=(1, 2)), strict=True)]
    between, among = _shares(values)
    apart = np.abs(values.mean(axis=2) - photographs[:, :, 0]).sum(axis=0) / 2
    return (
        f"Over {counted(values.shape[1], 'seed')} and {values.shape[2]} generators the mean "
        f"weights are {listed(means)}; {between:.0f} % of their variance lies between seeds and "
        f"{among:.0f} % between generators. Generators of different families lie "
        f"{signed(test.statistic)} points of weight further apart than those of one (means over "
        f"seeds; families exchanged, {format_p(test.p_value)}, smallest possible "
        f"{test.smallest_p:.2g}). Photographs and generated images differ by "
        f"{apart.min():.0f} to {apart.max():.0f} points, by seed."
    )


def _removal_text(
    values: np.ndarray, scales: Sequence[str], removals: dict[str, Comparison]
) -> str:
    if not removals:
        return ""
    means = dict(zip(scales, values.mean(axis=(1, 2)), strict=True))
    parts = [
        f"without {scale} (weight {means[scale]:.0f} %) {interval(test)}"
        for scale, test in removals.items()
        if test.measured
    ]
    return (
        " If a weight told what a scale is worth, to train without the heaviest would cost "
        "most. Change of the mean AUC over unseen generators when a scale is left out: "
        f"{'; '.join(parts)}."
    )


def _table(
    values: np.ndarray,
    photographs: np.ndarray,
    scales: Sequence[str],
    generators: Sequence[str],
) -> str:
    lines = [
        f"| images | family | {' | '.join(f'weight of {s}, %' for s in scales)} |",
        f"|---|---|{'---:|' * len(scales)}",
    ]
    both = np.concatenate([values, photographs], axis=2)
    families = [*map(family_name, generators), "-"]
    for i, (name, family) in enumerate(zip([*generators, "photographs"], families, strict=True)):
        cells = [
            f"{mean:.1f} ± {deviation:.1f}"
            for mean, deviation in zip(
                both[:, :, i].mean(axis=1), both[:, :, i].std(axis=1, ddof=1), strict=True
            )
        ]
        lines.append(f"| {name} | {family} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _figure(
    values: np.ndarray,
    photographs: np.ndarray,
    scales: Sequence[str],
    generators: Sequence[str],
    seeds: Sequence[int],
) -> figure.Figure:
    names = [*generators, "photographs"]
    both = np.concatenate([values, photographs], axis=2)
    with style.styled():
        drawing = style.new_figure(7.2, 1.2 + 0.22 * len(names))
        panels = drawing.subplots(1, len(seeds), sharey=True, squeeze=False)[0]
        places = np.arange(len(names))[::-1]
        for panel, seed, weights_of in zip(panels, seeds, both.swapaxes(0, 1), strict=True):
            left = np.zeros(len(names))
            looks = zip(scales, weights_of, style.SERIES, HATCHES, strict=False)
            for scale, shares, colour, hatch in looks:
                panel.barh(
                    places,
                    shares,
                    left=left,
                    height=0.8,
                    color=colour,
                    hatch=hatch,
                    edgecolor="white",
                    linewidth=0.3,
                    label=f"factor {scale}",
                )
                left += shares
            panel.set(xlim=(0, 100), xticks=[0, 50, 100], title=f"seed {seed}")
            panel.set_yticks(places, names)
            panel.grid(visible=False)
        panels[len(seeds) // 2].set_xlabel("mean attention weight (%)")
        handles, labels = panels[0].get_legend_handles_labels()
        drawing.legend(handles, labels, loc="outside lower center", ncols=len(scales))
        return drawing
