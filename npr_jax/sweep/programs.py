"""Compiled programs that outlive a run: those of a sweep often differ in numbers only."""

from __future__ import annotations

from collections.abc import Callable

import ml_collections
import optax

from npr_jax.models.base import Model
from npr_jax.training.step import Program, make_program


def likeness(config: ml_collections.ConfigDict) -> str:
    """Equal for configs that one compiled program can train: all but seed and learning rate."""
    config = config.copy_and_resolve_references()
    config.seed, config.optimizer.learning_rate = 0, 0.0
    return str(config)


class KeptProgram:
    """A ``MakeProgram`` that gives its last program again where it fits."""

    def __init__(self) -> None:
        self._last: tuple[tuple, Program] | None = None

    def __call__(
        self,
        config: ml_collections.ConfigDict,
        model: Model,
        optimizer: optax.GradientTransformation,
        steps_per_epoch: int,
        *,
        over_runs: Callable[[Callable], Callable] | None = None,
    ) -> Program:
        """See ``npr_jax.training.step.make_program``."""
        key = likeness(config), steps_per_epoch, over_runs
        if self._last is None or self._last[0] != key:
            program = make_program(config, model, optimizer, steps_per_epoch, over_runs=over_runs)
            self._last = key, program
        return self._last[1]
