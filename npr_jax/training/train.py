"""The training loop of one run, to be read from top to bottom.

Open, restore, then for every step: evaluate and save where they are due, take a batch, step. What
is evaluated and saved is the state *before* the step. The step counter of the train state is the
only clock; an epoch is ``steps_per_epoch`` steps. Several runs as one program are a matter of
``npr_jax.sweep``.
"""

import contextlib
import pathlib

import jax
from ml_collections import ConfigDict

from npr_jax.models import sharding
from npr_jax.models.base import learned_factors
from npr_jax.training.inputs import TrainInput, open_dataset
from npr_jax.training.preemption import Preempted, Preemption
from npr_jax.training.reporting import progress_bar
from npr_jax.training.run import Run, check_start
from npr_jax.training.step import MakeProgram, TrainMetrics, make_program
from npr_jax.training.train_state import init_train_state


def train(
    config: ConfigDict,
    workdir: str | pathlib.Path,
    *,
    make_program: MakeProgram = make_program,
    preemption: Preemption | None = None,
) -> None:
    """Trains as the config says, resuming what the workdir holds.

    Args:
        config: see configs/default.py; checked before any work.
        workdir: directory of the run; made if missing.
        make_program: gives the compiled step and validation, for whoever keeps them.
        preemption: says when to save and leave before the end; None: SIGTERM alone does, where
            several processes train together.

    Raises:
        UserError: for a config that cannot be used, a data set that does not fit it, or a workdir
            whose run was started with other settings.
        FloatingPointError: when the loss stops being finite; names metric and step.
        OSError: a checkpoint could not be written.
        Preempted: it was left before the end, and saved.
    """
    workdir, mesh = pathlib.Path(workdir), sharding.data_mesh()
    check_start(config, workdir, mesh)
    preemption = preemption or Preemption()
    images = TrainInput(config, open_dataset(config, workdir))
    model, optimizer, fresh = init_train_state(config, images.steps_per_epoch)
    program = make_program(config, model, optimizer, images.steps_per_epoch)

    with contextlib.ExitStack() as at_end:
        at_end.enter_context(preemption.steps())
        run = at_end.enter_context(
            contextlib.closing(Run(config, workdir, images, program.scorer, mesh))
        )
        state = run.restore(fresh)
        bar = at_end.enter_context(
            progress_bar(
                total_images=run.num_steps * config.batch_size,
                done_images=run.start_step * config.batch_size,
                description="training",
            )
        )
        window: list[TrainMetrics] = []
        for step in range(run.start_step, run.num_steps + 1):
            leave = preemption.reached(step)
            # What was restored has been evaluated and saved, and what is fresh is not worth it.
            if step > run.start_step and (leave or run.log_is_due(step)):
                # First of all: a loss that is not finite ends the run, and is not saved.
                factors = jax.device_get(learned_factors(state.params))
                bar.set_postfix(loss=f"{run.log(jax.device_get(window), factors, step):.4f}")
                window.clear()
            if step > run.start_step and (leave or run.save_is_due(step)):
                improved = run.validate(state, step) if run.ends_epoch(step) else None
                state = run.with_learning_rate(state)
                run.save(state, step, improved=improved)
            if step == run.num_steps or run.stopped_early:
                break
            if leave:
                raise Preempted.at(run.workdir, step, run.num_steps)

            batch = sharding.to_devices(next(run.batches), mesh)
            state, metrics = program.train_step(state, batch)
            window.append(metrics)
            bar.update(config.batch_size)
