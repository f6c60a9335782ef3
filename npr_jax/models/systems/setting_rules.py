"""What a setting may be: rules that say in words what they test; those of the front ends."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

from ml_collections import ConfigDict

from input_pipeline.errors import UserError
from npr_jax.residuals import color_spaces
from npr_jax.residuals.front_end import MODES, FrontEnd, paper_front_end


@dataclasses.dataclass(frozen=True)
class Rule:
    """What one setting may be: ``allowed`` says in words what ``accepts`` tests."""

    accepts: Callable[[Any], bool]
    allowed: str


def is_integer(value: Any) -> bool:
    """An int that is no bool."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_real(value: Any) -> bool:
    """A number that is no bool."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def integer(low: int, high: int | None = None, zero: str = "") -> Rule:
    """An integer of at least ``low``, or 0 where ``zero`` says what that means."""
    text = f"an integer of at least {low}" if high is None else f"an integer from {low} to {high}"

    def accepts(value):
        inside = is_integer(value) and low <= value <= (math.inf if high is None else high)
        return inside or (bool(zero) and is_integer(value) and value == 0)

    return Rule(accepts, text + (f", or 0 ({zero})" if zero else ""))


def number(low: float, high: float, *, closed: bool = False) -> Rule:
    """A number between ``low`` and ``high``, both exclusive unless the upper end is closed."""

    def accepts(value):
        return is_real(value) and (low < value < high or (closed and value == high))

    return Rule(accepts, f"a number above {low} and {'at most' if closed else 'below'} {high}")


def choice(*values: str) -> Rule:
    """One of some texts."""
    names = ", ".join(value or "'' (none)" for value in values)
    return Rule(lambda value: value in values, f"one of {names}")


def text(empty: str = "") -> Rule:
    """A text; ``empty`` says what an empty one means, where it may be empty."""
    allowed = f"a text, empty for: {empty}" if empty else "a text that is not empty"
    return Rule(lambda value: isinstance(value, str) and bool(value or empty), allowed)


def several(rule: Rule, allowed: str) -> Rule:
    """A tuple of at least one value, each of which the rule accepts."""

    def accepts(value):
        return isinstance(value, tuple | list) and len(value) > 0 and all(map(rule.accepts, value))

    return Rule(accepts, allowed)


def is_range(value: Any, low: float, high: float, kind: Callable[[Any], bool]) -> bool:
    """Two values of a kind, lowest first, within ``low`` and ``high``."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        return False
    return all(map(kind, value)) and low <= value[0] <= value[1] <= high


BOOLEAN = Rule(lambda value: isinstance(value, bool), "True or False")
PROBABILITY = Rule(lambda value: is_real(value) and 0 <= value <= 1, "a number from 0 to 1")


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


def front_end_count(config: ConfigDict) -> int:
    """How many front ends a model section describes: the most values that a setting gives."""
    return max(len(config[key]) for key in FRONT_END_RULES)


def front_ends_of(config: ConfigDict) -> tuple[FrontEnd, ...]:
    """The front ends that the settings of ``FRONT_END_RULES`` in a model section describe.

    Each setting gives one value for each front end, or a single one for all. ``UserError`` for
    several different lengths above 1, or where the settings of one front end do not go together.
    """
    columns = {key: tuple(config[key]) for key in FRONT_END_RULES}
    lengths = {key: len(column) for key, column in columns.items()}
    count = front_end_count(config)
    if set(lengths.values()) - {1, count}:
        given = ", ".join(f"model.{key} has {length}" for key, length in lengths.items())
        raise UserError(f"{given} values; give each setting one value for all, or {count}")
    broadcast = (column * count if len(column) == 1 else column for column in columns.values())
    return tuple(paper_front_end(*values) for values in zip(*broadcast, strict=True))


def one_residual_problems(config: ConfigDict) -> list[str]:
    """One text for each setting with several values, for a system that takes one residual."""
    return [
        f"model.{key} is {tuple(config[key])} for model.name {config.name}, which takes exactly "
        "one residual; give one value (configs/multiscale_attention.py is for several)"
        for key in FRONT_END_RULES
        if len(config[key]) != 1
    ]


def front_end_problems(config: ConfigDict) -> list[str]:
    """What is wrong with a model section whose settings are each allowed; [] if nothing."""
    try:
        front_ends_of(config)
    except ValueError as error:
        return [f"model: {error}"]
    return []
