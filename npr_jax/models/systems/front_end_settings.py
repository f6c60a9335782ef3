"""The front ends that the ``model`` section of a config describes: its settings and their rules."""

from __future__ import annotations

from typing import Any

import ml_collections

from input_pipeline.errors import UserError
from npr_jax.models.systems.setting_rules import BOOLEAN, Rule, choice, is_integer, number, several
from npr_jax.residuals import color_spaces
from npr_jax.residuals.front_end import MODES, FrontEnd, paper_front_end


def _is_phase(value: Any) -> bool:
    pair = isinstance(value, tuple | list) and len(value) == 2
    return pair and all(is_integer(part) and part >= 0 for part in value)


FRONT_END_RULES: dict[str, Rule] = {
    "factors": several(number(0, 1), "a tuple of numbers above 0 and below 1, as (0.25, 0.5)"),
    "modes": several(
        choice(*MODES), f"a tuple of one or more of {', '.join(MODES)}, as ('nearest',)"
    ),
    "phases": several(
        Rule(_is_phase, ""), "a tuple of pairs (row, column) of integers from 0, as ((0, 0),)"
    ),
    "colors": several(
        choice(*color_spaces.COLORS),
        f"a tuple of one or more of {', '.join(color_spaces.COLORS)}, as ('rgb',)",
    ),
    "learn_factors": several(BOOLEAN, "a tuple of True or False, as (False,)"),
}


def front_end_count(config: ml_collections.ConfigDict) -> int:
    """How many front ends a model section describes: the most values that a setting gives."""
    return max(len(config[key]) for key in FRONT_END_RULES)


def front_ends_of(config: ml_collections.ConfigDict) -> tuple[FrontEnd, ...]:
    """The front ends that the settings of ``FRONT_END_RULES`` in a model section describe.

    Each setting gives one value for each front end, or a single one for all.

    Raises:
        ValueError: where the settings have several different lengths above 1, or those of one
            front end do not go together.
    """
    columns = {key: tuple(config[key]) for key in FRONT_END_RULES}
    lengths = {key: len(column) for key, column in columns.items()}
    count = front_end_count(config)
    if set(lengths.values()) - {1, count}:
        given = ", ".join(f"model.{key} has {length}" for key, length in lengths.items())
        raise UserError(f"{given} values; give each setting one value for all, or {count}")
    broadcast = (column * count if len(column) == 1 else column for column in columns.values())
    return tuple(paper_front_end(*values) for values in zip(*broadcast, strict=True))


def one_residual_problems(config: ml_collections.ConfigDict) -> list[str]:
    """One text for each setting with several values, for a system that takes one residual."""
    return [
        f"model.{key} is {tuple(config[key])} for model.name {config.name}, which takes exactly "
        "one residual; give one value (configs/multiscale_attention.py is for several)"
        for key in FRONT_END_RULES
        if len(config[key]) != 1
    ]


def front_end_problems(config: ml_collections.ConfigDict) -> list[str]:
    """What is wrong with a model section whose settings are each allowed; [] if nothing."""
    try:
        front_ends_of(config)
    except ValueError as error:
        return [f"model: {error}"]
    return []
