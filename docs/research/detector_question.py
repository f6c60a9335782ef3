"""Does what is learned on real pictures carry over to generators that were never trained on?

The detector of docs/results/detector/dev.csv, generator by generator, beside what NPR does on the
unseen generators of the embedded data.
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import figure

from docs.research.answer import Answer, missing
from docs.research.detector_figures import TABLE, Measured, Scored, card_of, mean_auc
from docs.research.families import FAMILIES, by_family, members
from docs.research.lists import listed
from docs.research.multiscale_question import SINGLE
from docs.research.result_table import ResultTable
from docs.research.wording import counted
from npr_jax.analysis.figures import style
from npr_jax.models.reconstruction.pairs import PREFIX

NAME, QUESTION = "unseen", "Does what is learned carry over to real generators never trained on?"
Mean = tuple[float, float, float]  # and its interval, in points of AUC
CHANCE = 50.0
USEFUL = 90.0  # points of AUC from which it would carry over well


def unseen(results: pathlib.Path, tables: Mapping[str, ResultTable]) -> Answer:
    """The answer by the logits in a folder of results; ``tables``: those of the sweeps."""
    table = results / TABLE
    if not table.is_file():
        return missing(NAME, QUESTION, f"`docs/results/{TABLE}` is not there")
    return answered(Scored.read(table), Measured.read(card_of(table)), tables)


def answered(scored: Scored, card: Measured, tables: Mapping[str, ResultTable]) -> Answer:
    """As ``unseen``, of logits and of the card of the detector that gave them."""
    own_order = [name for name in scored.groups(1) if name not in card.generators]
    names = by_family(own_order)
    means = {  # in the order of docs/detector.md, which draws the same images then
        delivery: _points(mean_auc(scored, logits, own_order))
        for delivery, logits in scored.logits.items()
    }
    by_name = {
        name: [_points(mean_auc(scored, logits, [name])) for logits in scored.logits.values()]
        for name in names
    }
    word = judged(list(means.values()))
    photographs = int((scored.labels == 0).sum())
    images = int(np.isin(scored.sources, names).sum())
    return Answer(
        NAME,
        QUESTION,
        word,
        short=(
            f"{word.capitalize()}: the mean AUC over {counted(len(names), 'generator')} is "
            f"{listed([f'{_with_interval(mean)} {name}' for name, mean in means.items()])}."
        ),
        paragraph=" ".join(
            filter(
                None,
                [
                    f"{card.title}, trained on {_learned(card)}; {images} images of the "
                    f"generators and {photographs} photographs of realworld (version 2), split "
                    "dev; 95 % intervals over images. Those of single generators are in "
                    "docs/detector.md.",
                    _families(scored, names),
                    _embedded(tables, means),
                ],
            )
        ),
        table=_table(scored, by_name),
        caption=(
            f"AUC of {card.title} per generator that it was not trained on, 95 % intervals over "
            f"images. {photographs} photographs; images of a generator in brackets."
        ),
        figure=_figure(scored, by_name, card.title),
    )


def judged(means: Sequence[Mean]) -> str:
    """In a few words, by (mean, low, high) in points of AUC after each delivery."""
    if min(low for _, low, _ in means) >= USEFUL:
        return "yes"
    if max(low for _, low, _ in means) <= CHANCE:
        return "not shown"
    if min(low for _, low, _ in means) <= CHANCE:
        return "after some deliveries"
    return "in part"


def _learned(card: Measured) -> str:
    decoders = sum(name.startswith(PREFIX) for name in card.generators)
    others = counted(len(card.generators) - decoders, "other source")
    return f"images of {others} and reconstructions by {counted(decoders, 'decoder')}"


def _with_interval(mean: Mean) -> str:
    return f"{mean[0]:.1f} ({mean[1]:.0f} to {mean[2]:.0f})"


def _families(scored: Scored, names: Sequence[str]) -> str:
    first, logits = next(iter(scored.logits.items()))
    parts = []
    for family in FAMILIES:
        if found := members(family, names):
            mean = _points(mean_auc(scored, logits, found))
            parts.append(
                f"{_with_interval(mean)} over {counted(len(found), f'{family} generator')}"
            )
    return f"By family, {first}: {listed(parts)}." if parts else ""


def _embedded(tables: Mapping[str, ResultTable], means: Mapping[str, Mean]) -> str:
    table = tables.get("scales")
    if table is None or SINGLE not in table.variants:
        return ""
    names, seeds = table.generators("unseen"), table.seeds([SINGLE])
    level = float(table.points(SINGLE, names, seeds).mean())
    first, (mean, *_) = next(iter(means.items()))
    beside = f"{abs(level - mean):.1f} points {'above' if level > mean else 'below'} the {first}"
    easier = ": simulated generators are the easier question" if level > mean else ""
    return (
        f"On the embedded data NPR at {SINGLE} has {level:.1f} over "
        f"{counted(len(names), 'unseen generator')} ({counted(len(seeds), 'seed')}), {beside} "
        f"figure here{easier}."
    )


def _table(scored: Scored, by_name: Mapping[str, Sequence[Mean]]) -> str:
    lines = [
        f"| generator | images | {' | '.join(f'AUC, {name}' for name in scored.logits)} |",
        f"|---|---:|{'---:|' * len(scored.logits)}",
    ]
    for name, means in by_name.items():
        count = int((scored.sources == name).sum())
        cells = [f"{mean[0]:.1f}" for mean in means]
        lines.append(f"| {name} | {count} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _points(mean: Mean) -> Mean:
    value, low, high = mean
    return 100 * value, 100 * low, 100 * high


def _figure(scored: Scored, by_name: Mapping[str, Sequence[Mean]], title: str) -> figure.Figure:
    shown = list(reversed(by_name))
    with style.styled():
        drawing = style.new_figure(6.8, 1.3 + 0.42 * len(shown))
        ax = drawing.add_subplot()
        ax.axvline(CHANCE, color=style.BLACK, linewidth=0.8)
        looks = zip(scored.logits, style.SERIES, style.MARKERS, strict=False)
        for place, (delivery, colour, marker) in enumerate(looks):
            heights = np.arange(len(shown)) + 0.2 * (1 - place)
            values, lows, highs = np.array([by_name[name][place] for name in shown]).T
            ax.hlines(heights, lows, highs, color=colour, linewidth=1.4)
            ax.plot(values, heights, marker, color=colour, markersize=5, label=delivery)
        counts = [int((scored.sources == name).sum()) for name in shown]
        labels = [f"{style.shorten(n, 28)} ({c})" for n, c in zip(shown, counts, strict=True)]
        ax.set_yticks(range(len(shown)), labels)
        ax.set_ylim(-0.6, len(shown) - 0.4)
        ax.grid(visible=False, axis="y")
        ax.set_xlabel("AUC (%); the line at 50 is chance")
        ax.set_title(f"{title}: real generators that it was not trained on")
        drawing.legend(loc="outside lower center", ncols=len(scored.logits))
        return drawing
