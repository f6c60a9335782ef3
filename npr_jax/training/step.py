"""The training step, a pure function, what it reports, and what is compiled for a run."""

import dataclasses
import functools
from collections.abc import Callable, Sequence

import flax
import jax
import jax.numpy as jnp
import numpy as np
import optax

# clu reads the metrics' types from the class body: no postponed annotations here.
from clu import metrics
from flax import nnx
from ml_collections import ConfigDict

from input_pipeline.errors import UserError
from input_pipeline.images.transforms import cut_to_multiple
from npr_jax.inference import tiling
from npr_jax.inference.scorer import Scorer
from npr_jax.models.base import Frozen, Model, period, predict
from npr_jax.models.systems.registry import SYSTEMS
from npr_jax.training.augment import augment
from npr_jax.training.train_state import TrainState, ema_decay


@flax.struct.dataclass
class TrainMetrics(metrics.Collection):
    """Means over the examples of a window of steps; padding does not count.

    ``loss``: binary cross-entropy in nats. ``accuracy``: share classified right at
    probability 0.5, in [0, 1].
    """

    loss: metrics.Average.from_output("loss")  # type: ignore[valid-type]
    accuracy: metrics.Average.from_output("correct")  # type: ignore[valid-type]


def summarize(window: Sequence[TrainMetrics], last_step: int) -> dict[str, float]:
    """Means over a window's steps; ``FloatingPointError`` names a metric that is not finite."""
    for step, own in enumerate(window, start=last_step - len(window) + 1):
        for name, value in own.compute().items():
            if not np.isfinite(value):
                raise FloatingPointError(
                    f"train {name} is {value} at step {step}; no later step was saved: lower "
                    "--config.optimizer.learning_rate, or look at the data of that step"
                )
    total = window[0]
    for own in window[1:]:
        total = total.merge(own)
    return {name: float(value) for name, value in total.compute().items()}


TrainStep = Callable[[TrainState, dict[str, jax.Array]], tuple[TrainState, TrainMetrics]]


@dataclasses.dataclass(frozen=True)
class Program:
    """The jitted step, and a scorer of images of the size that validation uses."""

    train_step: TrainStep
    scorer: Scorer


# From a config, its model, its optimizer and the steps of an epoch.
MakeProgram = Callable[[ConfigDict, Model, optax.GradientTransformation, int], Program]


def make_program(
    config: ConfigDict,
    model: Model,
    optimizer: optax.GradientTransformation,
    steps_per_epoch: int,
    *,
    over_runs: Callable[[Callable], Callable] | None = None,
) -> Program:
    """What is compiled for a run, or for several alike; ``over_runs`` as in ``make_train_step``.

    ``steps_per_epoch`` is not used here; every ``MakeProgram`` gets it, because one that keeps
    programs must know it: the optimizer was made for it.
    """
    del steps_per_epoch
    side, shortest = config.data.validation_crop, tiling.shortest_side(model)
    if side < shortest:
        raise UserError(
            f"data.validation_crop is {side}; with these residuals, images of at least {shortest} "
            f"pixels are scored: give --config.data.validation_crop={shortest} or more"
        )
    train_step = make_train_step(config, model, optimizer, over_runs=over_runs)
    return Program(train_step, Scorer(model, shapes=((side, side),)))


def make_train_step(
    config: ConfigDict,
    model: Model,
    optimizer: optax.GradientTransformation,
    *,
    over_runs: Callable[[Callable], Callable] | None = None,
) -> TrainStep:
    """The jitted step ``(state, batch) -> (state, metrics)``; the old state is donated.

    ``batch``: uint8 ``image [b, h, w, 3]``, int32 ``label [b]`` (1 = generated) and float32
    ``mask [b]``, 0 on padding, which counts neither in the loss nor in batch statistics. For
    systems that train their head only float32 ``features [b, d]`` takes the place of ``image``. The
    model's structure and what is frozen are used, its parameters are not. ``over_runs`` maps the
    step over several runs' stacked states and batches: ``jax.vmap``; None: it is one run's.
    """
    graphdef, _, _, frozen = nnx.split(model, nnx.Param, nnx.BatchStat, Frozen)

    def step(
        frozen: nnx.State, state: TrainState, batch: dict[str, jax.Array]
    ) -> tuple[TrainState, TrainMetrics]:
        """One step of one run; a pure function, so it can be mapped over runs."""
        key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
        labels, mask = batch["label"].astype(jnp.float32), batch["mask"]
        # Of two classes: smoothing s moves a label by s / 2 towards the other.
        targets = labels + config.label_smoothing * (0.5 - labels)

        def loss_fn(params):
            # A copy, so that the running statistics may change inside the differentiation.
            """The mean loss over the batch without padding, and what else the pass gives."""
            model = nnx.merge(graphdef, params, state.batch_stats, frozen, copy=True)
            model.train()
            logits = _logits(model, config, key, batch)
            losses = optax.sigmoid_binary_cross_entropy(logits, targets)
            batch_stats = nnx.state(model, nnx.BatchStat)
            loss = (losses * mask).sum() / mask.sum()
            if config.consistency:
                loss += config.consistency * disagreement(logits, mask)
            return loss, (losses, logits, batch_stats)

        gradients, aux = jax.grad(loss_fn, has_aux=True)(state.params)
        losses, logits, batch_stats = aux
        updates, opt_state = optimizer.update(gradients, state.opt_state, state.params)
        updates = jax.tree.map(lambda update: state.learning_rate * update, updates)
        reported = TrainMetrics.single_from_model_output(
            loss=losses, correct=(logits > 0) == (labels > 0), mask=mask > 0
        )
        params = optax.apply_updates(state.params, updates)
        average = state.average
        if average is not None:
            variables = {"params": params, "batch_stats": batch_stats}
            decay = ema_decay(config.ema, state.step)
            average = optax.incremental_update(variables, average, 1 - decay)
        state = dataclasses.replace(
            state,
            step=state.step + 1,
            params=params,
            batch_stats=batch_stats,
            opt_state=opt_state,
            average=average,
        )
        return state, reported

    @functools.partial(jax.jit, donate_argnums=1)
    def train_step(frozen, state, batch):
        own = functools.partial(step, frozen)
        return (over_runs(own) if over_runs else own)(state, batch)

    # What is frozen is an argument: as a constant it would be compiled into the program.
    return functools.partial(train_step, frozen)


def disagreement(logits: jax.Array, mask: jax.Array) -> jax.Array:
    """Mean symmetric Kullback-Leibler divergence (nats) between two views of the same images.

    Of two predictions with logits a and b it is ``(sigmoid(a) - sigmoid(b)) (a - b)``. Source: the
    consistency of degraded pairs in DCPT (2026), without its term on features.

    ``logits`` and ``mask``: float32 ``[b]``, couple by couple, view by view, two images each.
    """
    first, second = logits.reshape(-1, 2, 2).transpose(1, 0, 2)
    counts = mask.reshape(-1, 2, 2)[:, 0]
    divergence = (jax.nn.sigmoid(first) - jax.nn.sigmoid(second)) * (first - second)
    return (divergence * counts).sum() / jnp.maximum(counts.sum(), 1)


def _logits(
    model: Model, config: ConfigDict, key: jax.Array, batch: dict[str, jax.Array]
) -> jax.Array:
    if SYSTEMS[config.model.name].trains_head_only:
        return model.head([batch["features"]]).logits
    images = cut_to_multiple(augment(key, batch["image"], config.data), period(model))
    return predict(model, images, examples=batch["mask"] > 0).logits
