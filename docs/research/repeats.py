"""The same settings, seed and images trained again in another sweep: how far results repeat.

Runs are bit-identical on one machine with one number of cores (README). Sweeps of different days
and commits are not; how far they differ is noise that no seed explains.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np

from docs.research.answer import Answer, missing
from docs.research.lists import listed
from docs.research.result_table import ResultTable
from docs.research.wording import counted

# By table, the variant's name there.
NPR = {
    "scales": "0.5",
    "fusion": "0.5",
    "modes": "nearest00",
    "colors": "rgb",
    "augmentation": "flip",
    "systems": "npr",
}
ATTENTION = {
    "scales": "0.25+0.5+0.75",
    "fusion": "attention",
    "systems": "multiscale_attention3",
}
QUESTION = "How far does the same run repeat?"
STACKED = {"scales": "stacked", "fusion": "stack"}
REPEATED = {"NPR at 0.5": NPR, "attention over 0.25, 0.5, 0.75": ATTENTION, "stacked": STACKED}


@dataclasses.dataclass(frozen=True)
class Repeats:
    """One detector trained in several sweeps.

    Attributes:
        tables: names of the sweeps.
        seeds: that all of them have.
        distinct: how many of them have other scores than the ones before; the rest is bit-identical
            to one of these and counts no further.
        between_repeats: standard deviation over distinct repeats of the mean AUC over unseen
            generators, with one seed, root mean square over seeds, in points; 0 for one.
        between_seeds: standard deviation over seeds of the mean over sweeps, in points.
        largest: largest difference of two repeats on one generator, in points.
    """

    tables: tuple[str, ...]
    seeds: tuple[int, ...]
    distinct: int
    between_repeats: float
    between_seeds: float
    largest: float


def find_repeats(tables: Mapping[str, ResultTable], names: Mapping[str, str]) -> Repeats | None:
    """What repeats of one detector say; None for fewer than two with two common seeds."""
    there = {t: v for t, v in names.items() if t in tables and v in tables[t].variants}
    found = [set(tables[table].seeds([variant])) for table, variant in there.items()]
    seeds = tuple(sorted(set.intersection(*found))) if found else ()
    if len(there) < 2 or len(seeds) < 2:
        return None
    points = np.stack(
        [
            tables[table].points(variant, tables[table].generators("unseen"), seeds)
            for table, variant in there.items()
        ]
    )  # [sweeps, seeds, generators]
    points = np.unique(points, axis=0)
    means = points.mean(axis=2)
    spread = float(np.sqrt(means.var(axis=0, ddof=1).mean())) if len(points) > 1 else 0.0
    return Repeats(
        tables=tuple(there),
        seeds=seeds,
        distinct=len(points),
        between_repeats=spread,
        between_seeds=float(means.mean(axis=0).std(ddof=1)),
        largest=float(np.ptp(points, axis=0).max()),
    )


def repeatability(tables: Mapping[str, ResultTable], name: str = "repeats") -> Answer:
    """How far the same settings and seed give the same result."""
    found = {what: find_repeats(tables, names) for what, names in REPEATED.items()}
    there = {what: repeats for what, repeats in found.items() if repeats is not None}
    if not there:
        return missing(name, QUESTION, "no two sweeps have the same runs yet")
    lines = [
        "| detector | sweeps | different | seeds | deviation between repeats, points of AUC "
        "| deviation between seeds | largest difference on one generator |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {what} | {len(r.tables)} | {r.distinct} | {len(r.seeds)} | {r.between_repeats:.1f} "
        f"| {r.between_seeds:.1f} | {r.largest:.1f} |"
        for what, r in there.items()
    ]
    identical = all(r.distinct == 1 for r in there.values())
    verdict = f"deviation up to {max(r.between_repeats for r in there.values()):.1f} points of AUC"
    return Answer(
        name,
        QUESTION,
        "bit for bit" if identical else verdict,
        short=_identical(there) if identical else _different(there),
        paragraph=(
            "Some detectors stand in several sweeps with the same settings, seeds and images. Runs "
            "are bit-identical only with the same code, on one machine, with one number of cores; "
            "those that are bit-identical are counted once. Where repeats differ, differences of "
            "that size between two variants are not differences of the variants, and equal seeds "
            "make two variants less alike than pairing by seed supposes."
        ),
        table="\n".join(lines),
    )


def _identical(there: Mapping[str, Repeats]) -> str:
    parts = [
        f"{what} in {counted(len(r.tables), 'sweep')} with {counted(len(r.seeds), 'seed')}"
        for what, r in there.items()
    ]
    return (
        "The same settings, seed and images trained again gave the same AUC for every generator, "
        f"to the last bit: {listed(parts)}."
    )


def _different(there: Mapping[str, Repeats]) -> str:
    parts = [
        f"{r.between_repeats:.1f} points for {what} ({r.distinct} different of "
        f"{counted(len(r.tables), 'sweep')}; between seeds {r.between_seeds:.1f})"
        for what, r in there.items()
    ]
    return (
        "The same settings, seed and images trained again, mean AUC over unseen generators: "
        f"standard deviation between repeats {listed(parts)}."
    )
