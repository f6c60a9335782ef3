"""The weight of a scale beside what is lost without it: gates against ablations, from a sweep."""

import dataclasses
import itertools
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
        weights: float ``[seeds]``, the generator's mean weight of the scale.
        losses: float ``[seeds]``, AP with the scale minus AP without it, of the same seed.
    """

    variant: str
    without: str
    scale: str
    generator: str
    weights: np.ndarray
    losses: np.ndarray

    @property
    def weight(self) -> float:
        """Mean weight over seeds."""
        return float(self.weights.mean())

    @property
    def loss(self) -> float:
        """Mean loss over seeds."""
        return float(self.losses.mean())


def gates(rows: Iterable[Mapping[str, Any]]) -> list[Gate]:
    """Every pair of a weighing system and the same system trained without one of its scales.

    Args:
        rows: of a sweep's runs.csv, as ``npr_jax.sweep.table.read_table`` gives them.

    Returns:
        One row per pair and generator that both have for a common seed; [] if there is none.
    """
    settings: dict[str, dict[str, Any]] = {}
    by_variant: dict[str, dict[tuple[str, int], Mapping[str, Any]]] = {}
    for row in rows:
        if row["kind"] in KINDS and row.get("ap"):
            settings.setdefault(row["variant"], json.loads(row["model_settings"]))
            mine = by_variant.setdefault(row["variant"], {})
            mine[row["generator"], int(row["seed"])] = row
    found = []
    for name, other in itertools.permutations(settings, 2):
        scale = _scale_left_out(settings[name], settings[other])
        if scale is not None:
            found += _pair(name, other, scale, by_variant[name], by_variant[other])
    return sorted(found, key=lambda gate: (gate.variant, gate.scale, gate.generator))


def agreement(found: Sequence[Gate]) -> dict[tuple[str, str], PermutationTest]:
    """Per variant and scale: does a generator with a larger weight lose more without the scale?

    Spearman's correlation over generators of the means over seeds; fewer than three generators
    have none.
    """
    tests = {}
    for key, mine in by_scale(found).items():
        if len(mine) > 2:
            weights, losses = zip(*((gate.weight, gate.loss) for gate in mine), strict=True)
            tests[key] = rank_correlation(np.array(weights), np.array(losses))
    return tests


def by_scale(found: Sequence[Gate]) -> dict[tuple[str, str], list[Gate]]:
    """Per variant and scale, in the order of what was found."""
    grouped: dict[tuple[str, str], list[Gate]] = {}
    for gate in found:
        grouped.setdefault((gate.variant, gate.scale), []).append(gate)
    return grouped


def _scale_left_out(full: Mapping[str, Any], less: Mapping[str, Any]) -> str | None:
    """The one factor that ``full`` has and ``less`` has not, if nothing else differs."""
    ours, theirs = ([float(f) for f in settings["factors"]] for settings in (full, less))
    gone = set(ours) - set(theirs)
    same = {**full, "factors": None} == {**less, "factors": None}
    distinct = len(set(ours)) == len(ours) == len(theirs) + 1
    return f"{gone.pop():g}" if same and distinct and len(gone) == 1 else None


def _pair(
    name: str,
    other: str,
    scale: str,
    full: Mapping[tuple[str, int], Mapping[str, Any]],
    less: Mapping[tuple[str, int], Mapping[str, Any]],
) -> list[Gate]:
    column = WEIGHT + scale
    common = [key for key in full if key in less and full[key].get(column)]
    result = []
    for generator in dict.fromkeys(generator for generator, _ in common):
        keys = [key for key in common if key[0] == generator]
        weights = np.array([float(full[key][column]) for key in keys])
        losses = np.array([float(full[key]["ap"]) - float(less[key]["ap"]) for key in keys])
        result.append(Gate(name, other, scale, generator, weights, losses))
    return result
