"""The weight of a scale beside what is lost without it: gates against ablations, from a sweep."""

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from npr_jax.analysis.statistics.permutation import PermutationTest, rank_correlation

WEIGHT = "weight_"
KINDS = ("trained", "unseen")  # rows of generators; means and controls are others


@dataclasses.dataclass(frozen=True)
class Gate:
    """One scale and one generator.

    Attributes:
        variant: the system with all its scales.
        without: the system that was trained without this scale.
        scale: its name.
        generator: the generator.
        weights: float ``[seeds]``, the generator's mean weight of the scale.
        losses: float ``[seeds]``, AP with the scale minus AP without it, of the same seed.
    """

    variant: str
    without: str
    scale: str
    generator: str
    weights: np.ndarray
    losses: np.ndarray


def gates(rows: Iterable[Mapping[str, Any]], measure: str = "ap") -> list[Gate]:
    """Every pair of a weighing system and the same system trained without one of its scales.

    Args:
        rows: of a sweep's runs.csv, as ``npr_jax.sweep.table.read_table`` gives them.
        measure: a column of it.

    Returns:
        One row per pair and generator that both have for a common seed; [] if there is none.
    """
    variants: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["kind"] in KINDS and row.get(measure):
            known = variants.setdefault(
                row["variant"], {"settings": json.loads(row["model_settings"]), "rows": {}}
            )
            known["rows"][row["generator"], int(row["seed"])] = row
    found = []
    for name, full in variants.items():
        for other, less in variants.items():
            scale = _scale_left_out(full["settings"], less["settings"])
            if scale is not None:
                found += _pair(name, other, scale, full["rows"], less["rows"], measure)
    return sorted(found, key=lambda gate: (gate.variant, gate.scale, gate.generator))


def agreement(found: Sequence[Gate], *, seed: int = 0) -> dict[tuple[str, str], PermutationTest]:
    """Per variant and scale: does a generator with a larger weight lose more without the scale?

    Spearman's correlation over generators of the means over seeds; fewer than three generators
    have none.
    """
    tests = {}
    for key in dict.fromkeys((gate.variant, gate.scale) for gate in found):
        mine = [gate for gate in found if (gate.variant, gate.scale) == key]
        if len(mine) > 2:
            weights = np.array([gate.weights.mean() for gate in mine])
            losses = np.array([gate.losses.mean() for gate in mine])
            tests[key] = rank_correlation(weights, losses, seed=seed)
    return tests


def _scale_left_out(full: Mapping[str, Any], less: Mapping[str, Any]) -> str | None:
    """The one factor that ``full`` has and ``less`` has not, if nothing else differs."""
    ours, theirs = ([float(f) for f in settings["factors"]] for settings in (full, less))
    gone = sorted(set(ours) - set(theirs))
    same = {k: v for k, v in full.items() if k != "factors"} == {
        k: v for k, v in less.items() if k != "factors"
    }
    distinct = len(set(ours)) == len(ours) and len(theirs) == len(ours) - 1
    return f"{gone[0]:g}" if same and distinct and len(gone) == 1 else None


def _pair(
    name: str,
    other: str,
    scale: str,
    full: Mapping[tuple[str, int], Mapping[str, Any]],
    less: Mapping[tuple[str, int], Mapping[str, Any]],
    measure: str,
) -> list[Gate]:
    column = WEIGHT + scale
    common = [key for key in full if key in less and full[key].get(column)]
    result = []
    for generator in dict.fromkeys(generator for generator, _ in common):
        keys = [key for key in common if key[0] == generator]
        weights = np.array([float(full[key][column]) for key in keys])
        losses = np.array([float(full[key][measure]) - float(less[key][measure]) for key in keys])
        result.append(Gate(name, other, scale, generator, weights, losses))
    return result
