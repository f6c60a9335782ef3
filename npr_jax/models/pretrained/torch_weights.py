"""Published PyTorch weights into our parameters, by a table of keys.

A table says which key of a state dict becomes which of our parameters, and how its array is
turned. Each published system has one such table in a file of its own beside this one; the
mechanism here places every key exactly once and reports all that does not fit together.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import TypeVar

import jax.numpy as jnp
import numpy as np
from flax import nnx

from input_pipeline.errors import UserError

Path = tuple[str | int, ...]
Arrays = Mapping[str, np.ndarray]
M = TypeVar("M", bound=nnx.Module)

# Counters of torch's batch norm: nothing of ours corresponds to them.
COUNTERS = r".*\.num_batches_tracked"


@dataclasses.dataclass(frozen=True)
class KeyRule:
    """One line of a table.

    Attributes:
        pattern: regular expression that the whole torch key matches.
        path: our parameter's path, from the match.
        transform: torch's array to ours. Several rules may match one key: each takes its part.
    """

    pattern: str
    path: Callable[[re.Match[str]], Path]
    transform: Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass(frozen=True)
class KeyTable:
    """How one published state dict maps to our parameters.

    Attributes:
        title: what the weights belong to, for messages: ``the NPR detector``.
        rules: tried on every key; each that matches takes the array.
        ignored: regular expression of keys that nothing of ours corresponds to.
        under: our parameters that the keys must give all lie below this path; () means that
            every parameter and running statistic of the model must be given.
    """

    title: str
    rules: tuple[KeyRule, ...]
    ignored: str = COUNTERS
    under: Path = ()


def fixed(*path: str | int) -> Callable[[re.Match[str]], Path]:
    """A rule's path that does not depend on the match."""
    return lambda match: path


def same(array: np.ndarray) -> np.ndarray:
    """The array as it is."""
    return array


def kernel(array: np.ndarray) -> np.ndarray:
    """A convolution's weight: ``[out, in, height, width]`` to ``[height, width, in, out]``."""
    return array.transpose(2, 3, 1, 0)


def matrix(array: np.ndarray) -> np.ndarray:
    """A 1x1 convolution's weight ``[out, in, 1, 1]`` to ``[in, out]``."""
    return array.reshape(array.shape[:2]).T


def transposed(array: np.ndarray) -> np.ndarray:
    """A linear layer's weight ``[out, in]`` to ``[in, out]``."""
    if array.ndim != 2:
        raise UserError("not a matrix")
    return array.T


def problems_of(table: KeyTable, model: nnx.Module, arrays: Arrays) -> list[str]:
    """What keeps the arrays from being the model's weights; empty: they fit."""
    return _place_all(table, _wanted(table, nnx.state(model)), arrays)[1]


def fill(model: M, table: KeyTable, arrays: Arrays) -> M:
    """The model with the arrays in place of its own, which may be abstract.

    Args:
        model: built with concrete values or under ``nnx.eval_shape``. What does not lie under
            ``table.under`` keeps its value.
        table: which key goes where.
        arrays: torch names to arrays in torch's layout.

    Raises:
        ValueError: listing together every unknown key, every parameter that no key gives,
            and every array whose shape does not fit, with both shapes.
    """
    graphdef, state = nnx.split(model)
    return nnx.merge(graphdef, fill_state(state, table, arrays))


def fill_state(state: nnx.State, table: KeyTable, arrays: Arrays) -> nnx.State:
    """As ``fill``, of a model's variables alone."""
    wanted = _wanted(table, state)
    values, problems = _place_all(table, wanted, arrays)
    if problems:
        raise UserError(refusal(table, problems))
    flat = dict(nnx.to_flat_state(state))
    for path, value in values.items():
        flat[path] = wanted[path].replace(jnp.array(value))
    return nnx.from_flat_state(list(flat.items()))


def refusal(table: KeyTable, problems: list[str], shown: int = 0) -> str:
    """The message of a state dict that does not fit, with so many problems; 0: all."""
    keys = {problem.split(":")[0] for problem in problems if not problem.startswith("missing:")}
    lines = problems[:shown] if shown else problems
    if len(lines) < len(problems):
        lines = [*lines, f"... and {len(problems) - len(lines)} more"]
    return (
        f"the state dict does not fit {table.title} ({len(problems)} problems, "
        f"{len(keys)} keys at fault):\n  " + "\n  ".join(lines)
    )


def _wanted(table: KeyTable, state: nnx.State) -> dict[Path, nnx.Variable]:
    depth = len(table.under)
    return {
        path: variable
        for path, variable in nnx.to_flat_state(state)
        if path[:depth] == table.under and not isinstance(variable, nnx.RngState)
    }


def _place_all(
    table: KeyTable, wanted: Mapping[Path, nnx.Variable], arrays: Arrays
) -> tuple[dict[Path, np.ndarray], list[str]]:
    """Our arrays by path, and all problems in words, one a line."""
    rules = [(re.compile(rule.pattern), rule) for rule in table.rules]
    values: dict[Path, np.ndarray] = {}
    problems: list[str] = []
    for name, array in arrays.items():
        if re.fullmatch(table.ignored, name):
            continue
        matches = [(pattern.fullmatch(name), rule) for pattern, rule in rules]
        targets = [(rule.path(match), rule) for match, rule in matches if match]
        if not targets or any(path not in wanted for path, _ in targets):
            problems.append(f"{name}: no such parameter in {table.title}")
            continue
        placed = [_place(values, wanted[p], p, name, np.asarray(array), r) for p, r in targets]
        problems += [problem for problem in placed if problem]
    missing = [path for path in wanted if path not in values]
    problems += [f"missing: nothing gives {'.'.join(map(str, path))}" for path in missing]
    return values, problems


def _place(values, variable, path: Path, name: str, array: np.ndarray, rule: KeyRule) -> str | None:
    """Puts one array where it belongs; returns what is wrong with it, if anything."""
    if path in values:
        return f"{name}: a second array for {'.'.join(map(str, path))}"
    expected = variable.get_value().shape
    try:
        placed = rule.transform(array)
    except (IndexError, ValueError):
        placed = None
    if placed is None or placed.shape != expected:
        return f"{name}: shape {array.shape} does not become {expected}"
    if not jnp.issubdtype(placed.dtype, jnp.floating):
        return f"{name}: expected finite floating-point numbers, got {placed.dtype}"
    # Half-precision files are widened: our parameters are float32.
    placed = placed.astype(np.float32, copy=False)
    if not np.isfinite(placed).all():
        return f"{name}: expected finite floating-point numbers, got NaN or infinity"
    values[path] = placed
    return None
