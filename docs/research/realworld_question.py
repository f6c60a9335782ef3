"""Do the variants compare on photographs and generators from the wild as on the embedded data?"""

import dataclasses
from collections.abc import Mapping

from docs.research.answer import Answer
from docs.research.baseline_questions import Question, against_baseline
from docs.research.comparisons import corrected, pair
from docs.research.families import DIFFUSION, GAN, members
from docs.research.result_table import ResultTable
from docs.research.scale_questions import CLAIMS
from docs.research.wording import interval, listed, outcome, power

WILD = Question(
    "realworld",
    "Do these variants differ on real photographs and generators?",
    "realworld",
    "0.5",
    "NPR at 0.5",
    "Real photographs and generators",
)
# Fingerprint of the data set whose training images were of Stable Diffusion 1 alone.
VERSION_1 = "4cc9f5833651"
# The same variant in the table of the embedded data, where both were compared with NPR at 0.5.
EMBEDDED = {
    "0.25": ("scales", "0.5", "0.25"),
    "0.75": ("scales", "0.5", "0.75"),
    "0.25+0.5+0.75": ("scales", "0.5", "0.25+0.5+0.75"),
    "0.5+0.5+0.5": ("scales", "0.5", "0.5+0.5+0.5"),
    "stacked": ("scales", "0.5", "stacked"),
    "mean": ("fusion", "0.5", "mean"),
    "bilinear": ("modes", "nearest00", "bilinear"),
    "hh": ("modes", "nearest00", "hh"),
    "ycbcr": ("colors", "rgb", "ycbcr"),
    "differences": ("colors", "rgb", "differences"),
    "cnndetection": ("systems", "npr", "cnndetection"),
    "spectrum": ("systems", "npr", "spectrum"),
}


def realworld(tables: Mapping[str, ResultTable]) -> Answer:
    """Every variant against NPR at 0.5 on the collection, beside the embedded data's answers."""
    answer = against_baseline(WILD, tables)
    if answer.figure is None:
        return answer
    table = tables[WILD.table]
    seeds = len(table.seeds([WILD.baseline]))
    more = [
        _agreement(tables),
        _families(table),
        power(seeds, len(table.generators("unseen"))),
    ]
    text = " ".join([answer.paragraph, *(part for part in more if part)])
    if table.said("data_fingerprint") != VERSION_1:
        return dataclasses.replace(answer, paragraph=text)
    return dataclasses.replace(
        answer,
        word=f"{answer.word} (version 1 of the data)",
        short=f"{answer.short} Measured with version 1 of the training images.",
        paragraph=(
            f"{text} Version 1 of the training images had 250 images of Stable Diffusion 1 alone, "
            "version 2 has 474 of eight sources; the test images are the same. The sweep has not "
            "been repeated since, so it says nothing of what more generators change."
        ),
    )


def _agreement(tables: Mapping[str, ResultTable]) -> str:
    """In how many variants the sign of the difference is that of the embedded data."""
    wild = tables[WILD.table]
    same: list[str] = []
    other: list[str] = []
    for variant, (name, baseline, twin) in EMBEDDED.items():
        embedded = tables.get(name)
        if embedded is None or variant not in wild.variants or twin not in embedded.variants:
            continue
        here = pair(wild, variant, WILD.baseline, wild.generators("unseen"))
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


def _families(table: ResultTable) -> str:
    """The hypotheses about 0.25 and 0.75 on the families of the collection."""
    if not {"0.25", "0.75", WILD.baseline} <= set(table.variants):
        return ""
    unseen = table.generators("unseen")
    names = {family: members(family, unseen) for family in (DIFFUSION, GAN)}
    if not all(names.values()):
        return ""
    tests = corrected(
        [
            pair(table, scale, WILD.baseline, names[family], name=f"{scale} on {family} decoders")
            for family, scale in CLAIMS
        ]
    )
    if not all(test.measured for test in tests):
        return ""
    parts = [f"{test.name} {interval(test)}, {outcome(test)}" for test in tests]
    sizes = [f"{len(found)} {family}" for family, found in names.items()]
    return f"Of the unseen sources {listed(sizes)}: against 0.5, {'; '.join(parts)}."
