"""Everything a training step changes, as one pytree, how it starts, and its learning rate.

The schedules give shares of the configured rate. ``step`` and ``cosine`` are functions of the step,
inside the optimizer. ``plateau`` depends on what validation finds, so the training loop changes the
rate in the train state between epochs.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

import flax
import jax
import jax.numpy as jnp
import optax
from flax import nnx
from ml_collections import ConfigDict

from npr_jax.models.base import Model
from npr_jax.models.systems.registry import build_model


def share_of_rate(config: ConfigDict, steps_per_epoch: int, num_epochs: int) -> optax.Schedule:
    """What the learning rate is multiplied with at each step (0-based); 1 for plateaus.

    ``config`` is the ``optimizer`` section; the cosine ends with the last epoch.
    """
    if config.schedule == "step":
        return decay_in_steps(config.decay_rate, config.decay_every_epochs, steps_per_epoch)
    if config.schedule == "cosine":
        warmup = config.warmup_epochs * steps_per_epoch
        return warm_up_and_cosine(warmup, num_epochs * steps_per_epoch)
    return optax.constant_schedule(1.0)


def decay_in_steps(rate: float, every_epochs: int, steps_per_epoch: int) -> optax.Schedule:
    """Constant within an epoch, decayed at the *end* of every N-th.

    The share of epoch e (0-based) is ``rate ** max(0, (e - 1) // N)``: epochs 0 to N run at the
    full rate. Source: the published training code's ``adjust_learning_rate`` (Tan et al., CVPR
    2024, as noted from its recipe).
    """

    def share(step):
        epoch = step // steps_per_epoch
        return rate ** jnp.maximum(0, (epoch - 1) // every_epochs)

    return share


def warm_up_and_cosine(warmup_steps: float, num_steps: int) -> optax.Schedule:
    """A line from 0 to 1, then half a cosine from 1 to 0 (Loshchilov and Hutter, ICLR 2017).

    Step 0 of a warm-up has the share 0: the first step moves no weight. The rate changes with
    every step, not every epoch.
    """

    def share(step):
        step = jnp.asarray(step, jnp.float32)
        progress = (step - warmup_steps) / max(num_steps - warmup_steps, 1)
        cosine = 0.5 * (1.0 + jnp.cos(jnp.pi * progress.clip(0.0, 1.0)))
        return jnp.where(step < warmup_steps, step / max(warmup_steps, 1), cosine)

    return share


@dataclasses.dataclass
class Plateau:
    """How far the rate has come down, by the accuracy on the validation images.

    Source: Wang et al., CVPR 2020 (CNNDetection), section 3.2: the rate drops by 10 where
    accuracy has not increased by 0.1 % for 5 epochs, and training ends at 1e-6. The epochs are
    counted anew after a drop; the best accuracy is kept.
    """

    best_accuracy: float = -1.0  # the last one that counted as an increase
    stalled_epochs: int = 0  # since then, or since the last drop
    drops: int = 0  # so many times the rate has been multiplied with the factor

    def update(self, accuracy: float, *, patience: int, improvement: float) -> bool:
        """Takes in one epoch; true if the rate drops now."""
        # Rounding must not decide whether 0.981 is 0.001 more than 0.98.
        if accuracy >= self.best_accuracy + improvement * (1 - 1e-9):
            self.best_accuracy, self.stalled_epochs = accuracy, 0
            return False
        self.stalled_epochs += 1
        if self.stalled_epochs < patience:
            return False
        self.stalled_epochs = 0
        self.drops += 1
        return True

    def share(self, factor: float) -> float:
        """What the configured rate is multiplied with now."""
        return factor**self.drops


@flax.struct.dataclass
class TrainState:
    """Donated to each step, replicated over devices, saved whole."""

    step: jax.Array  # int32 scalar, optimizer steps done
    key: jax.Array  # uint32 ``[2]``, data of the key that all randomness on the device derives from
    learning_rate: jax.Array  # float32 scalar, the rate that the schedule multiplies
    params: nnx.State  # trained parameters, float32
    batch_stats: nnx.State  # running means and variances of the normalisation layers, float32
    opt_state: Any  # Adam's moments and count
    # Running means of ``params`` and ``batch_stats``, by these names; None: they are not averaged.
    average: dict[str, nnx.State] | None = None

    @property
    def variables(self) -> dict[str, nnx.State]:
        """``params`` and ``batch_stats`` that images are scored with: the averages, if any."""
        if self.average is not None:
            return self.average
        return {"params": self.params, "batch_stats": self.batch_stats}

    def starting_from(self, params: nnx.State, batch_stats: nnx.State) -> Self:
        """This state with other numbers to start from; averages start there too."""
        variables = {"params": params, "batch_stats": batch_stats}
        # Copies: the step gives its old state's memory away, and none of it twice.
        average = None if self.average is None else jax.tree.map(jnp.array, variables)
        return dataclasses.replace(self, **variables, average=average)

    def items(self) -> dict[str, dict[str, Any]]:
        """The state in the two parts that a checkpoint keeps apart.

        ``model`` is all that scoring needs; ``optimizer`` is what training needs besides.
        """
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        trained = {name: fields.pop(name) for name in ("params", "batch_stats")}
        if fields.pop("average") is not None:
            fields |= {"trained": trained}
        return {"model": self.variables, "optimizer": fields}

    @classmethod
    def from_items(cls, items: Mapping[str, Mapping[str, Any]]) -> Self:
        """What ``items`` took apart."""
        fields = dict(items["optimizer"])
        trained = fields.pop("trained", None)
        if trained is None:
            return cls(**items["model"], **fields)
        return cls(**trained, **fields, average=dict(items["model"]))


def make_optimizer(
    config: ConfigDict, steps_per_epoch: int, num_epochs: int = 1
) -> optax.GradientTransformation:
    """Adam or AdamW at a learning rate of 1 times the schedule's share.

    The rate itself is part of the train state: runs that differ in it alone share a program.
    AdamW (Loshchilov and Hutter, ICLR 2019) shrinks every parameter by the rate times
    ``weight_decay`` at each step, normalisation and biases included, as torch's does.

    ``config`` is the ``optimizer`` section; the cosine ends with the last epoch.
    """
    share = share_of_rate(config, steps_per_epoch, num_epochs)
    if config.name == "adamw":
        return optax.adamw(share, b1=config.b1, b2=config.b2, weight_decay=config.weight_decay)
    return optax.adam(share, b1=config.b1, b2=config.b2)


def ema_decay(decay: float, step: jax.Array) -> jax.Array:
    """What a running mean of weights keeps of itself at a step (0-based).

    Little at first: the mean would otherwise remember the random initial numbers.
    """
    return jnp.minimum(decay, (1 + step) / (10 + step))


def create_train_state(
    model: Model,
    optimizer: optax.GradientTransformation,
    *,
    learning_rate: float,
    seed: int,
    averaged: bool = False,
) -> TrainState:
    """The state before the first step; ``averaged``: whether it keeps running means."""
    params, batch_stats = nnx.state(model, nnx.Param, nnx.BatchStat)
    variables = {"params": params, "batch_stats": batch_stats}
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        key=jax.random.key_data(jax.random.key(seed)),
        learning_rate=jnp.asarray(learning_rate, jnp.float32),
        params=params,
        batch_stats=batch_stats,
        opt_state=optimizer.init(params),
        # Copies: the step gives its old state's memory away, and none of it twice.
        average=jax.tree.map(jnp.array, variables) if averaged else None,
    )


def init_train_state(
    config: ConfigDict, steps_per_epoch: int, *, load: bool = True
) -> tuple[Model, optax.GradientTransformation, TrainState]:
    """Model, optimizer and fresh state; the seed decides the initial weights.

    ``load``: whether what is frozen is read from its file, see ``build_model``.
    """
    model = build_model(config.model, nnx.Rngs(params=config.seed), load=load)
    optimizer = make_optimizer(config.optimizer, steps_per_epoch, config.num_epochs)
    state = create_train_state(
        model,
        optimizer,
        learning_rate=config.optimizer.learning_rate,
        seed=config.seed,
        averaged=config.ema > 0,
    )
    return model, optimizer, state
