"""How a system of the field enters the harness: one entry that says all others need to know.

Rules say in words what they test: what a setting may be, also those of the front ends.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from flax import nnx
from ml_collections import ConfigDict

from input_pipeline.errors import UserError
from input_pipeline.images.preprocessing import FileReader
from input_pipeline.loading.mixture import MixedDataset
from npr_jax.models.base import Model
from npr_jax.models.pretrained.torch_weights import KeyTable
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


def pair(low: float, high: float, of: str = "numbers", kind: Callable = is_real) -> Rule:
    """Two values of a kind, lowest first, within ``low`` and ``high``."""

    def accepts(value):
        two = isinstance(value, tuple | list) and len(value) == 2 and all(map(kind, value))
        return two and low <= value[0] <= value[1] <= high

    return Rule(accepts, f"two {of} from {low} to {high}, lowest first")


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


@dataclasses.dataclass(frozen=True)
class Published:
    """The weights that a system's authors publish, and how their evaluation prepares files."""

    table: KeyTable  # their keys
    build: Callable[[nnx.Rngs], Model]  # the model as published, from ``nnx.Rngs``
    # pixels: side of the square that files are squashed to before scoring; 0: native size
    resize: int
    crop: int = 0  # pixels: side of the centre crop that is scored after that; 0: the whole image

    def abstract(self) -> Model:
        """The model's shapes, without numbers."""
        return nnx.eval_shape(lambda: self.build(nnx.Rngs(0)))


class FileView(Protocol):
    """Turns users' files into what the system's prepared data sets hold."""

    @property
    def description(self) -> str:
        """What it makes of an image, in words."""
        ...

    def stream(self, images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """uint8 ``[h, w, 3]`` each, in order, to uint8 images of any other size."""
        ...


@dataclasses.dataclass(frozen=True)
class System:
    """One entry of ``npr_jax.models.systems.registry``.

    Attributes:
        build: makes the model from the config's ``model`` section, a dtype for its arithmetic and
            ``nnx.Rngs`` whose stream ``params`` draws the initial weights.
        rules: what the settings of the ``model`` section may be, besides ``name`` and ``dtype``.
        paper: where the system is described, in one line.
        problems: settings of a whole config that are each allowed but not together.
        start: the parameters and running statistics that a new run begins with, from the
            ``model`` section and those that ``build`` has drawn; weights that the user gives
            are read here, and never again: a checkpoint holds what became of them.
        data_facts: what a run records of its data sets, JSON values; raises ``ValueError`` for
            data sets that are not what the system learns from.
        file_view: from the ``model`` section and what ``data_facts`` recorded, what files go
            through before they are scored; None (also as its result): nothing.
        load: gives a built model its ``Frozen`` numbers, as the ``model`` section says.
        frozen_file: the setting of the ``model`` section that names their file; empty: the
            system has none.
        read_file: what is made of an image file's bytes, in data sets and when files are scored,
            for systems that do not look at its pixels; uint8 ``[h, w, 3]``. None: they are decoded.
        published: the weights that its authors publish, in one file; None: none are known.
        trains_head_only: whether everything before the head is frozen. Training then computes
            the features of every image once and trains the head on them.
    """

    build: Callable[..., Model]
    rules: Mapping[str, Rule]
    paper: str
    problems: Callable[[ConfigDict], list[str]] = dataclasses.field(default=lambda config: [])
    start: Callable[[ConfigDict, nnx.State, nnx.State], tuple] = dataclasses.field(
        default=lambda config, params, batch_stats: (params, batch_stats)
    )
    data_facts: Callable[[ConfigDict, MixedDataset], dict[str, Any]] = dataclasses.field(
        default=lambda config, dataset: {}
    )
    file_view: Callable[[ConfigDict, Mapping[str, Any]], FileView | None] | None = None
    load: Callable[[Model, ConfigDict], Model] = dataclasses.field(
        default=lambda model, config: model
    )
    frozen_file: str = ""
    read_file: FileReader | None = None
    published: Published | None = None
    trains_head_only: bool = False
