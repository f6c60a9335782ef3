"""The one training loop, to be read from top to bottom.

Order: checks -> mesh -> input -> model and optimizer -> restore -> loop -> final evaluation.
The step counter of the train state is the only clock; an epoch is ``steps_per_epoch`` steps.
Several runs that differ in seed or learning rate alone can go through it side by side.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import optax
from flax import nnx

from input_pipeline.errors import UserError
from npr_jax.config import check_config
from npr_jax.inference.scorer import Scorer
from npr_jax.models import sharding
from npr_jax.models.base import Frozen, Model, learned_factors, predict
from npr_jax.models.systems.registry import SYSTEMS
from npr_jax.sweep.side_by_side import member, over_runs, stack
from npr_jax.training.augment import augment
from npr_jax.training.metrics import TrainMetrics
from npr_jax.training.reporting import progress_bar
from npr_jax.training.run import Run
from npr_jax.training.train_state import TrainState, init_train_state


def train_and_evaluate(config: ml_collections.ConfigDict, workdir: str | pathlib.Path) -> None:
    """Trains as the config says, resuming what the workdir holds, then evaluates.

    Args:
        config: see configs/default.py; checked before any work.
        workdir: directory of the run; made if missing.

    Raises:
        ValueError: for a config that cannot be used, a data set that does not fit it, or a
            workdir whose run was started with other settings.
        FloatingPointError: when the loss stops being finite; names metric and step.
    """
    train_side_by_side([config], [workdir])


def train_side_by_side(
    configs: Sequence[ml_collections.ConfigDict],
    workdirs: Sequence[str | pathlib.Path],
    *,
    programs: Programs | None = None,
) -> list[dict[str, Any] | None]:
    """Trains runs that differ in seed and learning rate alone as one program over all of them.

    Args:
        configs: one for each run.
        workdirs: likewise; each becomes what ``train_and_evaluate`` would have made of it.
        programs: compiled steps of earlier calls, to be used again where they fit.

    Returns:
        For each run what ``evaluate_run`` returns.

    Raises:
        ValueError: as ``train_and_evaluate``, and for several runs that differ in more, that
            may stop early or that stand at different steps.
    """
    check_alike(configs)
    mesh = sharding.data_mesh()
    count = len(configs)
    programs = programs or Programs()
    with contextlib.ExitStack() as at_end:
        runs = [Run(c, pathlib.Path(w), mesh) for c, w in zip(configs, workdirs, strict=True)]
        for run in runs:
            at_end.callback(run.close)
        config, num_steps = runs[0].config, runs[0].num_steps
        program, state = _open(runs, programs)
        [start_step] = {run.start_step for run in runs} if count == 1 else _common_step(runs)
        bar = at_end.enter_context(
            progress_bar(
                total_images=num_steps * config.batch_size * count,
                done_images=start_step * config.batch_size * count,
                description="training",
            )
        )
        window: list[TrainMetrics] = []
        for step in range(start_step + 1, num_steps + 1):
            if count == 1 and runs[0].stopped_early:
                break
            batch = stack([next(run.batches) for run in runs])
            state, step_metrics = program.train_step(
                state, sharding.to_devices(batch, mesh, stacked=count > 1)
            )
            window.append(step_metrics)
            bar.update(config.batch_size * count)

            epoch_ends = step % runs[0].steps_per_epoch == 0
            save_now = epoch_ends or _is_multiple(step, config.checkpoint_every_steps)
            if save_now or step % config.log_every_steps == 0:
                bar.set_postfix(loss=f"{_log(runs, window, state, step):.4f}")
                window.clear()
            if save_now:
                state = _save(runs, program.scorer, state, step, epoch_ends=epoch_ends)

    return [run.evaluate() for run in runs]


def _open(runs: Sequence[Run], programs: Programs) -> tuple[Program, TrainState]:
    """The program of the runs, and the state that they go on from, stacked."""
    # What is frozen is one file for all runs, and read once.
    fresh = [init_train_state(run.config, run.steps_per_epoch, load=run is runs[0]) for run in runs]
    program = programs.of(runs[0].config, *fresh[0][:2], runs[0].steps_per_epoch, len(runs))
    opened = [run.open(own, program.scorer) for run, (_, _, own) in zip(runs, fresh, strict=True)]
    return program, stack(opened)


def _log(
    runs: Sequence[Run], window: Sequence[TrainMetrics], state: TrainState, step: int
) -> float:
    """Adds a point to each run's curve; returns the loss of the last run."""
    count = len(runs)
    on_host, factors = jax.device_get((window, learned_factors(state.params)))
    for index, run in enumerate(runs):
        own_window = [member(m, index, count) for m in on_host]
        values = run.log(own_window, step, member(factors, index, count))
    return values["loss"]


def _save(
    runs: Sequence[Run], scorer: Scorer, state: TrainState, step: int, *, epoch_ends: bool
) -> TrainState:
    """Saves each run, validated before where an epoch ends; returns the state to go on with."""
    count = len(runs)
    for index, run in enumerate(runs):
        own, improved = member(state, index, count), None
        if epoch_ends:
            improved = run.validate(scorer, own, step)
            own = run.with_learning_rate(own)
            state = own if count == 1 else state
        run.save(own, step, improved=improved)
    return state


@dataclasses.dataclass(frozen=True)
class Program:
    """What is compiled for a config: the step of all runs side by side, and validation."""

    train_step: Callable[[TrainState, dict[str, jax.Array]], tuple[TrainState, TrainMetrics]]
    scorer: Scorer


class Programs:
    """Compiled programs by what they depend on: all of a config but seed and learning rate."""

    def __init__(self) -> None:
        self._last: tuple[str, Program] | None = None

    def of(
        self,
        config: ml_collections.ConfigDict,
        model: Model,
        optimizer: optax.GradientTransformation,
        steps_per_epoch: int,
        count: int,
    ) -> Program:
        """The program of ``count`` such runs; only the last one is kept."""
        key = f"{likeness(config)} {steps_per_epoch} {count}"
        if self._last is None or self._last[0] != key:
            step = make_train_step(config, model, optimizer, count)
            side = config.data.validation_crop
            self._last = key, Program(step, Scorer(model, shapes=((side, side),)))
        return self._last[1]


def make_train_step(
    config: ml_collections.ConfigDict,
    model: Model,
    optimizer: optax.GradientTransformation,
    count: int = 1,
) -> Callable[[TrainState, dict[str, jax.Array]], tuple[TrainState, TrainMetrics]]:
    """The jitted step ``(state, batch) -> (state, metrics)``; the old state is donated.

    ``batch``: uint8 ``image [b, h, w, 3]``, int32 ``label [b]`` (1 = generated) and float32
    ``mask [b]``, 0 on padding, which counts neither in the loss nor in batch statistics. For
    systems that train their head only float32 ``features [b, d]`` takes the place of ``image``.
    With ``count`` above 1 all arrays of state, batch and metrics begin with an axis over the
    runs side by side. Of the model, the structure and what is frozen are used.
    """
    graphdef, _, _, frozen = nnx.split(model, nnx.Param, nnx.BatchStat, Frozen)

    def step(
        frozen: nnx.State, state: TrainState, batch: dict[str, jax.Array]
    ) -> tuple[TrainState, TrainMetrics]:
        key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
        labels, mask = batch["label"].astype(jnp.float32), batch["mask"]
        # Of two classes: smoothing s moves a label by s / 2 towards the other.
        targets = labels + config.label_smoothing * (0.5 - labels)

        def loss_fn(params):
            # A copy, so that the running statistics may change inside the differentiation.
            model = nnx.merge(graphdef, params, state.batch_stats, frozen, copy=True)
            model.train()
            logits = _logits(model, config, key, batch)
            losses = optax.sigmoid_binary_cross_entropy(logits, targets)
            batch_stats = nnx.state(model, nnx.BatchStat)
            return (losses * mask).sum() / mask.sum(), (losses, logits, batch_stats)

        gradients, aux = jax.grad(loss_fn, has_aux=True)(state.params)
        losses, logits, batch_stats = aux
        updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
        updates = jax.tree.map(lambda update: state.learning_rate * update, updates)
        metrics = TrainMetrics.single_from_model_output(
            loss=losses, correct=(logits > 0) == (labels > 0), mask=mask > 0
        )
        state = dataclasses.replace(
            state,
            step=state.step + 1,
            params=optax.apply_updates(state.params, updates),
            batch_stats=batch_stats,
            opt_state=opt_state,
        )
        return state, metrics

    @functools.partial(jax.jit, donate_argnums=1)
    def train_step(frozen, state, batch):
        return over_runs(functools.partial(step, frozen), count)(state, batch)

    # What is frozen is an argument: as a constant it would be compiled into the program.
    return functools.partial(train_step, frozen)


def _logits(
    model: Model, config: ml_collections.ConfigDict, key: jax.Array, batch: dict[str, jax.Array]
) -> jax.Array:
    if SYSTEMS[config.model.name].trains_head_only:
        return model.head([batch["features"]]).logits
    images = augment(key, batch["image"], config.data)
    return predict(model, images, examples=batch["mask"] > 0).logits


def check_alike(configs: Sequence[ml_collections.ConfigDict]) -> None:
    """Raises ``ValueError`` unless the configs can be used, several of them side by side."""
    for config in configs:
        check_config(config)
    first = likeness(configs[0])
    for config in configs[1:]:
        if likeness(config) != first:
            raise UserError(
                "runs side by side may differ in seed and optimizer.learning_rate alone; "
                "train the others one by one"
            )
    if len(configs) > 1 and configs[0].optimizer.schedule == "plateau":
        raise UserError(
            "optimizer.schedule is 'plateau', but runs side by side change their rates and end "
            "together; take another schedule or train them one by one"
        )
    if len(configs) > 1 and configs[0].early_stopping_epochs:
        raise UserError(
            f"early_stopping_epochs is {configs[0].early_stopping_epochs}, but runs side by side "
            "end together; set it to 0 or train them one by one"
        )


def likeness(config: ml_collections.ConfigDict) -> str:
    """Equal for configs that one compiled program can train: all but seed and learning rate."""
    config = config.copy_and_resolve_references()
    config.seed, config.optimizer.learning_rate = 0, 0.0
    return str(config)


def _common_step(runs: Sequence[Run]) -> set[int]:
    steps = {run.start_step for run in runs}
    if len(steps) > 1:
        where = ", ".join(f"{run.workdir} at {run.start_step}" for run in runs)
        raise UserError(f"runs side by side must stand at one step: {where}; go on one by one")
    return steps


def _is_multiple(step: int, every: int) -> bool:
    return bool(every) and step % every == 0
