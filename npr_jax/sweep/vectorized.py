"""Several runs that differ in seed and learning rate alone, as one program mapped over them.

The loop is that of ``npr_jax.training.train`` with a list of runs in place of one. Their states and
batches are stacked, and the same step is mapped over the stacks. A run by itself is not stacked: a
mapped axis of length 1 would turn convolutions into slow grouped ones.
"""

import contextlib
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
import optax
from ml_collections import ConfigDict

from input_pipeline.errors import UserError
from npr_jax.models import sharding
from npr_jax.models.base import Model, learned_factors
from npr_jax.training.inputs import TrainInput, open_dataset
from npr_jax.training.preemption import Preempted, Preemption
from npr_jax.training.reporting import progress_bar
from npr_jax.training.run import Run, check_start
from npr_jax.training.step import Program, TrainMetrics, make_program
from npr_jax.training.train_state import TrainState, init_train_state


def likeness(config: ConfigDict) -> str:
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
        config: ConfigDict,
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


def train_vectorized(
    configs: Sequence[ConfigDict],
    workdirs: Sequence[str | pathlib.Path],
    *,
    kept: KeptProgram | None = None,
    preemption: Preemption | None = None,
) -> None:
    """Trains at least two runs together; each workdir becomes what ``train`` would make of it.

    ``kept``: where to look for a compiled program, and to keep it; ``preemption``: as for
    ``train``. Raises what ``train`` does, and ``UserError`` for runs that differ in more than seed
    and learning rate, that may stop early or that stand at different steps.
    """
    check_alike(configs)
    preemption = preemption or Preemption()
    kept, mesh, count = kept or KeptProgram(), sharding.data_mesh(), len(configs)
    with contextlib.ExitStack() as at_end:
        at_end.enter_context(preemption.steps())
        runs: list[Run] = []
        states: list[TrainState] = []
        for config, workdir in zip(configs, map(pathlib.Path, workdirs), strict=True):
            check_start(config, workdir, mesh)
            images = TrainInput(config, open_dataset(config, workdir))
            # What is frozen is one file for all runs, and read once.
            model, optimizer, fresh = init_train_state(
                config, images.steps_per_epoch, load=not runs
            )
            if not runs:
                program = kept(config, model, optimizer, images.steps_per_epoch, over_runs=jax.vmap)
            run = Run(config, workdir, images, program.scorer, mesh)
            runs.append(at_end.enter_context(contextlib.closing(run)))
            states.append(run.restore(fresh))
        start_step, num_steps = runs[0].start_step, runs[0].num_steps
        if any(run.start_step != start_step for run in runs):
            where = ", ".join(f"{run.workdir} at {run.start_step}" for run in runs)
            raise UserError(f"runs side by side must stand at one step: {where}; go on one by one")
        state = stack(states)
        del states, fresh
        bar = at_end.enter_context(
            progress_bar(
                total_images=num_steps * configs[0].batch_size * count,
                done_images=start_step * configs[0].batch_size * count,
                description=f"training {count} runs",
            )
        )
        window: list[TrainMetrics] = []
        for step in range(start_step, num_steps + 1):
            leave = preemption.reached(step)
            if step > start_step and (leave or runs[0].log_is_due(step)):
                bar.set_postfix(loss=f"{_log(runs, window, state, step):.4f}")
                window.clear()
            if step > start_step and (leave or runs[0].save_is_due(step)):
                for index, run in enumerate(runs):
                    own = member(state, index)
                    improved = run.validate(own, step) if run.ends_epoch(step) else None
                    run.save(own, step, improved=improved)
            if step == num_steps:
                break
            if leave:
                raise Preempted.at(", ".join(str(run.workdir) for run in runs), step, num_steps)

            batch = stack([next(run.batches) for run in runs])
            state, metrics = program.train_step(
                state, sharding.to_devices(batch, mesh, stacked=True)
            )
            window.append(metrics)
            bar.update(configs[0].batch_size * count)


def _log(
    runs: Sequence[Run], window: Sequence[TrainMetrics], state: TrainState, step: int
) -> float:
    """Adds a point to each run's curve; returns the mean loss."""
    on_host, factors = jax.device_get((window, learned_factors(state.params)))
    losses = [
        run.log([member(own, index) for own in on_host], member(factors, index), step)
        for index, run in enumerate(runs)
    ]
    return float(np.mean(losses))


def stack(trees: Sequence[Any]) -> Any:
    """One pytree whose arrays have a leading axis over the runs, on the host if all are there."""

    def stacked(*leaves: Any) -> Any:
        on_host = all(isinstance(leaf, np.ndarray) for leaf in leaves)
        return np.stack(leaves) if on_host else jax.numpy.stack(leaves)

    return jax.tree.map(stacked, *trees)


def member(tree: Any, index: int) -> Any:
    """The tree of one of the runs."""
    return jax.tree.map(lambda leaf: leaf[index], tree)


def check_alike(configs: Sequence[ConfigDict]) -> None:
    """Raises ``ValueError`` unless one program can train all of the configs together."""
    first = configs[0]
    if any(likeness(config) != likeness(first) for config in configs):
        raise UserError(
            "runs side by side may differ in seed and optimizer.learning_rate alone; "
            "train the others one by one"
        )
    if first.optimizer.schedule == "plateau":
        raise UserError(
            "optimizer.schedule is 'plateau', but runs side by side change their rates and end "
            "together; take another schedule or train them one by one"
        )
    if first.early_stopping_epochs:
        raise UserError(
            f"early_stopping_epochs is {first.early_stopping_epochs}, but runs side by side "
            "end together; set it to 0 or train them one by one"
        )
