"""A sweep's config -> its runs: variants x grid x seeds, checked, named and dealt to shards."""

import dataclasses
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from input_pipeline.errors import UserError
from input_pipeline.images.transforms import DELIVERIES
from npr_jax.config import RULES, problems_of
from npr_jax.models.systems.system import several
from npr_jax.sweep.vectorized import likeness

SECTIONS = ("base", "variants", "grid", "seeds")
OPTIONAL = ("deliveries",)
# Names become folders and cells of a table.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=,-]*")
_RESERVED = ("simulation", "compiled", "data")
_SEEDS = several(RULES["seed"], "one or more integers of at least 0, as (0, 1, 2)")


@dataclasses.dataclass(frozen=True)
class PlannedRun:
    """One run of a sweep."""

    variant: str  # name of its point of the grid
    seed: int  # of everything random in it
    config: ConfigDict  # all its settings; ``data.path`` as the sweep gives it

    @property
    def folder(self) -> str:
        """Where it lies in the sweep's workdir."""
        return f"{self.variant}/seed{self.seed}"


def expand(sweep: ConfigDict) -> list[PlannedRun]:
    """The runs of a sweep, variant by variant, each with all seeds.

    ``base`` is a whole config as of configs/default.py, ``variants`` a tuple of
    ``{"name": text, "settings": {dotted key: value}}``, where a mapping as value replaces a whole
    section, ``grid`` a tuple of ``(dotted key, values)``. Every variant is combined with every
    point of the grid and every seed; without variants the grid alone is taken, and the other way
    round. ``deliveries``, which may be missing, are those after which each run is evaluated; (): as
    its config says. ``UserError`` lists all that is wrong: sections, names, unknown or unusable
    settings.
    """
    problems = _structural_problems(sweep)
    if not problems:
        found = problems_of(sweep.base)
        problems = ["base: " + text.replace("--config.", "--config.base.") for text in found]
    runs: list[PlannedRun] = []
    if not problems:
        for name, settings in _points(sweep):
            config = _changed(sweep.base, settings)
            found = problems_of(config) or _shared_problems(config, sweep.base)
            problems += _name_problems(name) + [
                f"variant {name}: {text.partition('; set it with')[0]}" for text in found
            ]
            runs += [
                PlannedRun(name, seed, _changed(config, {"seed": seed})) for seed in sweep.seeds
            ]
        problems += _duplicates("variant", [name for name, _ in _points(sweep)])
    if problems:
        raise UserError("the sweep cannot be used:\n  " + "\n  ".join(problems))
    return runs


def batches(runs: Sequence[PlannedRun], side_by_side: int) -> list[list[PlannedRun]]:
    """Runs in groups of at most ``side_by_side`` that are alike, in the order of the runs."""
    if side_by_side < 1:
        raise UserError(f"--side_by_side={side_by_side}; expected an integer of at least 1")
    alike: dict[str, list[PlannedRun]] = {}
    for run in runs:
        alike.setdefault(likeness(run.config), []).append(run)
    groups = []
    for like in alike.values():
        # Runs side by side keep in step, so those that may stop early go one by one.
        config = like[0].config
        alone = config.early_stopping_epochs or config.optimizer.schedule == "plateau"
        size = 1 if alone else side_by_side
        groups += [like[start : start + size] for start in range(0, len(like), size)]
    return groups


def parse_shard(text: str) -> tuple[int, int]:
    """``(i, n)`` of ``i/n``; i counts from 0. Empty: all of it, ``(0, 1)``."""
    if not text:
        return 0, 1
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match or not 0 <= int(match[1]) < int(match[2]):
        raise UserError(
            f"--shard={text}; expected i/n with i from 0 to n - 1, as 0/4, 1/4, 2/4 and 3/4 "
            "for a sweep in four shards"
        )
    return int(match[1]), int(match[2])


def shard_of(groups: Sequence[list[PlannedRun]], index: int, count: int) -> list[list[PlannedRun]]:
    """Every ``count``-th group, from number ``index`` on."""
    return list(groups[index::count])


def _points(sweep: ConfigDict) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and settings of each variant at each point of the grid."""
    variants = [(v["name"], dict(v["settings"])) for v in sweep.variants] or [("", {})]
    keys = [key for key, _ in sweep.grid]
    for (name, settings), values in itertools.product(
        variants, itertools.product(*(values for _, values in sweep.grid))
    ):
        point = dict(zip(keys, values, strict=True))
        parts = [f"{key.rpartition('.')[2]}={_in_name(value)}" for key, value in point.items()]
        yield ",".join([*([name] if name else []), *parts]), settings | point


def _in_name(value: Any) -> str:
    if isinstance(value, tuple | list):
        return "+".join(map(_in_name, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _changed(base: ConfigDict, settings: Mapping[str, Any]) -> ConfigDict:
    """A copy with the settings in place, whether or not there are such settings."""
    config = base.copy_and_resolve_references()
    with config.unlocked():
        for key, value in settings.items():
            *sections, last = key.split(".")
            section = config
            for name in sections:
                if not isinstance(section.get(name), ConfigDict):
                    section[name] = ConfigDict()
                section = section[name]
            replaced = isinstance(value, Mapping | ConfigDict)
            # Taken out first: a setting may change its type, from a number to a tuple say.
            if last in section:
                del section[last]
            section[last] = ConfigDict(value) if replaced else value
    return config


def _structural_problems(sweep: Any) -> list[str]:
    if not isinstance(sweep, ConfigDict) or "base" not in sweep:
        return [
            "it has no base: this is a recipe of one run, if anything; a sweep has "
            f"{', '.join(SECTIONS)}, see configs/sweeps"
        ]
    problems = [
        f"{key}: no such section; there are {', '.join((*SECTIONS, *OPTIONAL))}"
        for key in sweep
        if key not in (*SECTIONS, *OPTIONAL)
    ]
    problems += [f"{key}: missing; see configs/sweeps" for key in SECTIONS if key not in sweep]
    if problems:
        return problems
    if not sweep.variants and not sweep.grid:
        problems.append("variants and grid are both empty; give at least one of them")
    if not isinstance(sweep.variants, tuple | list) or not all(map(_is_variant, sweep.variants)):
        problems.append(
            "variants: expected a tuple of {'name': text, 'settings': {'optimizer.b1': 0.8}}"
        )
    if not isinstance(sweep.grid, tuple | list) or not all(map(_is_axis, sweep.grid)):
        problems.append(
            f"grid is {sweep.grid!r}; expected a tuple of (setting, values), as "
            "(('optimizer.learning_rate', (1e-4, 2e-4)),)"
        )
    else:
        problems += _duplicates("grid setting", [key for key, _ in sweep.grid])
    deliveries = sweep.get("deliveries", ())
    if not isinstance(deliveries, tuple | list) or not set(deliveries) <= set(DELIVERIES):
        problems.append(f"deliveries is {deliveries!r}; expected some of {DELIVERIES}, or ()")
    seeds = sweep.seeds
    if not _SEEDS.accepts(seeds):
        problems.append(f"seeds is {seeds!r}; expected {_SEEDS.allowed}")
    else:
        problems += _duplicates("seed", list(seeds))
    return problems


def _name_problems(name: Any) -> list[str]:
    if isinstance(name, str) and _NAME.fullmatch(name) and name not in _RESERVED:
        return []
    return [
        f"variant {name!r}: the name becomes a folder; use letters, digits and . _ + = , - with a "
        f"letter or digit first, and none of {', '.join(_RESERVED)}"
    ]


def _shared_problems(config: ConfigDict, base: ConfigDict) -> list[str]:
    """Settings that no variant may change: the runs of a sweep see the same images."""
    pairs = {
        "seed": (config.seed, base.seed),
        "data.photos": (config.data.photos, base.data.photos),
        "data.simulation": (config.data.simulation.to_dict(), base.data.simulation.to_dict()),
    }
    return [
        f"{key} is the same for all runs of a sweep; change it in "
        + ("seeds" if key == "seed" else f"base, --config.base.{key}=...")
        for key, (changed, kept) in pairs.items()
        if changed != kept
    ]


def _duplicates(what: str, values: list[Any]) -> list[str]:
    twice = sorted({str(value) for value in values if values.count(value) > 1})
    return [f"{what} {value}: given more than once" for value in twice]


def _is_variant(value: Any) -> bool:
    if not isinstance(value, Mapping) or set(value) != {"name", "settings"}:
        return False
    settings = value["settings"]
    return isinstance(settings, Mapping) and all(isinstance(key, str) for key in settings)


def _is_axis(value: Any) -> bool:
    pair = isinstance(value, tuple | list) and len(value) == 2 and isinstance(value[0], str)
    return pair and isinstance(value[1], tuple | list) and len(value[1]) > 0
