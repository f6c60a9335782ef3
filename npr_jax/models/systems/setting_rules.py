"""What a setting may be: rules that say in words what they test."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any


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
