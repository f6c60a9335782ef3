"""The one training loop, to be read from top to bottom.

Order: checks -> mesh -> input -> model and optimizer -> restore -> loop -> final evaluation.
The step counter of the train state is the only clock; an epoch is ``steps_per_epoch`` steps.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import pathlib

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax
from clu import parameter_overview
from flax import nnx

from npr_jax import inputs, sharding
from npr_jax.augment import crop_and_flip
from npr_jax.checkpoint import Checkpoints, abstract
from npr_jax.config import check_config, save_json
from npr_jax.detector import Detector
from npr_jax.evaluate_run import evaluate_run
from npr_jax.metrics import TrainMetrics
from npr_jax.models import predict
from npr_jax.reporting import CurveWriter, progress_bar
from npr_jax.run_layout import check_same_layout, layout_of
from npr_jax.scoring import Scorer
from npr_jax.train_state import TrainState, init_train_state
from npr_jax.validation import Progress, validate

_LOG = logging.getLogger(__name__)


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
    check_config(config)
    mesh = sharding.data_mesh()
    sharding.check_batch_size(config.batch_size, mesh)
    workdir = pathlib.Path(workdir)
    workdir.mkdir(parents=True, exist_ok=True)

    dataset = inputs.open_dataset(config, workdir)
    train_input = inputs.TrainInput(config, dataset)
    steps_per_epoch = train_input.steps_per_epoch
    num_steps = steps_per_epoch * config.num_epochs

    graphdef, optimizer, state = init_train_state(config, steps_per_epoch)
    state = jax.device_put(state, sharding.replicated(mesh))
    train_step = make_train_step(config, graphdef, optimizer)
    scorer = make_validation_scorer(config, graphdef, state)

    # Closed also when the loop fails: a checkpoint under way is finished first.
    with contextlib.ExitStack() as at_end:
        checkpoints = at_end.enter_context(contextlib.closing(Checkpoints(workdir)))
        layout = layout_of(config, dataset, steps_per_epoch)
        batches = at_end.enter_context(contextlib.closing(train_input.train_batches()))
        progress = Progress()
        if (step := checkpoints.latest_step()) is not None:
            saved = checkpoints.progress(step)
            check_same_layout(saved["layout"], layout, workdir)
            progress = Progress(**saved["validation"])
            state = checkpoints.restore(step, abstract(state), batches)
            _LOG.info("resuming %s at step %d of %d", workdir, step, num_steps)
        if jax.process_index() == 0:
            save_json(config.to_dict(), workdir / "config.json")
            save_json(train_input.describe(), workdir / "training_data.json")
            overview, line = _describe_start(config, train_input, state)
            (workdir / "parameters.txt").write_text(overview + "\n")
            _LOG.info(line)
        start_step = int(state.step)

        curves = CurveWriter(workdir, resume_step=start_step)
        at_end.callback(curves.close)
        bar = at_end.enter_context(
            progress_bar(
                total_images=num_steps * config.batch_size,
                done_images=start_step * config.batch_size,
                description="training",
            )
        )
        window: list[TrainMetrics] = []
        for step in range(start_step + 1, num_steps + 1):
            if progress.stopped_early(config.early_stopping_epochs):
                break
            batch = sharding.to_devices(next(batches), mesh)
            state, step_metrics = train_step(state, batch)
            window.append(step_metrics)
            bar.update(config.batch_size)

            epoch_ends = step % steps_per_epoch == 0
            save_now = epoch_ends or _is_multiple(step, config.checkpoint_every_steps)
            if save_now or step % config.log_every_steps == 0:
                values = _summarize(window, last_step=step)
                window.clear()
                epoch = step / steps_per_epoch
                curves.write(step=step, epoch=epoch, split="train", values=values)
                bar.set_postfix(loss=f"{values['loss']:.4f}", epoch=f"{epoch:.1f}")
            improved = None
            if epoch_ends:
                scorer.use(state.params, state.batch_stats)
                values = validate(scorer, train_input.validation_images())
                improved = progress.update(values["ap"], values["loss"], step)
                epoch = step // steps_per_epoch
                curves.write(step=step, epoch=epoch, split="validation", values=values)
                _LOG.info("epoch %d of %d: %s", epoch, config.num_epochs, _in_words(values))
            if save_now:
                saved = {"layout": layout, "validation": progress.as_dict()}
                checkpoints.save(step, state, batches, saved, improved=improved)

    evaluate_run(Detector.load(workdir), config, dataset, workdir)


def make_train_step(
    config: ml_collections.ConfigDict,
    graphdef: nnx.GraphDef,
    optimizer: optax.GradientTransformation,
):
    """The jitted step ``(state, batch) -> (state, metrics)``; the old state is donated.

    ``batch``: uint8 ``image [b, h, w, 3]``, int32 ``label [b]`` (1 = generated) and float32
    ``mask [b]``, 0 on padding, which counts neither in the loss nor in batch statistics.
    """

    @functools.partial(jax.jit, donate_argnums=0)
    def train_step(
        state: TrainState, batch: dict[str, jax.Array]
    ) -> tuple[TrainState, TrainMetrics]:
        key = jax.random.fold_in(jax.random.key(config.seed), state.step)
        images = crop_and_flip(key, batch["image"], config.data.crop, flip=config.data.flip)
        labels, mask = batch["label"].astype(jnp.float32), batch["mask"]

        def loss_fn(params):
            # A copy, so that the running statistics may change inside the differentiation.
            model = nnx.merge(graphdef, params, state.batch_stats, copy=True)
            model.train()
            logits = predict(model, images, examples=mask > 0).logits
            losses = optax.sigmoid_binary_cross_entropy(logits, labels)
            batch_stats = nnx.state(model, nnx.BatchStat)
            return (losses * mask).sum() / mask.sum(), (losses, logits, batch_stats)

        gradients, aux = jax.grad(loss_fn, has_aux=True)(state.params)
        losses, logits, batch_stats = aux
        updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
        metrics = TrainMetrics.single_from_model_output(
            loss=losses, correct=(logits > 0) == (labels > 0), mask=mask > 0
        )
        state = TrainState(
            step=state.step + 1,
            params=optax.apply_updates(state.params, updates),
            batch_stats=batch_stats,
            opt_state=opt_state,
        )
        return state, metrics

    return train_step


def make_validation_scorer(
    config: ml_collections.ConfigDict, graphdef: nnx.GraphDef, state: TrainState
) -> Scorer:
    """Scores validation crops, which all have one size."""
    model = nnx.merge(graphdef, state.params, state.batch_stats)
    side = config.data.validation_crop
    return Scorer(model, shapes=((side, side),))


def _summarize(window: list[TrainMetrics], last_step: int) -> dict[str, float]:
    """Means over the window's steps; refuses to go on from a loss that is not finite."""
    window = jax.device_get(window)
    first_step = last_step - len(window) + 1
    for step, metrics in enumerate(window, start=first_step):
        for name, value in metrics.compute().items():
            if not np.isfinite(value):
                raise FloatingPointError(
                    f"train {name} is {value} at step {step}; no later step was saved: lower "
                    "--config.optimizer.learning_rate, or look at the data of that step"
                )
    total = functools.reduce(lambda a, b: a.merge(b), window)
    return {name: float(value) for name, value in total.compute().items()}


def _describe_start(
    config: ml_collections.ConfigDict, train_input: inputs.TrainInput, state: TrainState
) -> tuple[str, str]:
    """The table of all parameters, and one line about what is going to happen."""
    params = nnx.to_pure_dict(state.params)
    overview = parameter_overview.get_parameter_overview(params)
    devices = ", ".join(sorted({device.device_kind for device in jax.devices()}))
    line = (
        f"{config.model.name} at factors {tuple(config.model.factors)} ({config.model.mode}), "
        f"{parameter_overview.count_parameters(params):,} parameters; "
        f"{train_input.num_train_images} training images, "
        f"{train_input.steps_per_epoch} steps per epoch; {jax.device_count()} x {devices}"
    )
    return overview, line


def _in_words(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in values.items())


def _is_multiple(step: int, every: int) -> bool:
    return bool(every) and step % every == 0
