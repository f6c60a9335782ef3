"""How a system of the field enters the harness: one entry that says all others need to know."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import ml_collections
from flax import nnx

from npr_jax.models.base import Model
from npr_jax.rules import Rule


def _as_built(model: Model, config: ml_collections.ConfigDict) -> Model:
    del config
    return model


def _no_problems(config: ml_collections.ConfigDict) -> list[str]:
    del config
    return []


def _as_drawn(
    config: ml_collections.ConfigDict, params: nnx.State, batch_stats: nnx.State
) -> tuple[nnx.State, nnx.State]:
    del config
    return params, batch_stats


@dataclasses.dataclass(frozen=True)
class System:
    """One entry of the registry in ``npr_jax.models``.

    Attributes:
        build: makes the model from the config's ``model`` section, a dtype for its arithmetic and
            ``nnx.Rngs`` whose stream ``params`` draws the initial weights.
        rules: what the settings of the ``model`` section may be, besides ``name`` and ``dtype``.
        paper: where the system is described, in one line.
        problems: settings of a whole config that are each allowed but not together.
        start: the parameters and running statistics that a new run begins with, from the
            ``model`` section and those that ``build`` has drawn; weights that the user gives
            are read here, and never again: a checkpoint holds what became of them.
        load: gives a built model its ``Frozen`` numbers, as the ``model`` section says.
        frozen_file: the setting of the ``model`` section that names their file; empty: the
            system has none.
        trains_head_only: whether everything before the head is frozen. Training then computes
            the features of every image once and trains the head on them.
    """

    build: Callable[..., Model]
    rules: Mapping[str, Rule]
    paper: str
    problems: Callable[[ml_collections.ConfigDict], list[str]] = _no_problems
    start: Callable[[ml_collections.ConfigDict, nnx.State, nnx.State], tuple] = _as_drawn
    load: Callable[[Model, ml_collections.ConfigDict], Model] = _as_built
    frozen_file: str = ""
    trains_head_only: bool = False
