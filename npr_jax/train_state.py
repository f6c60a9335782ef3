"""Everything a training step changes, as one pytree, and how it starts."""

from __future__ import annotations

from typing import Any

import flax
import jax
import jax.numpy as jnp
import ml_collections
import optax
from flax import nnx

from npr_jax.models import Model, build_model


@flax.struct.dataclass
class TrainState:
    """Donated to each step, replicated over devices, saved whole.

    Attributes:
        step: int32 scalar, optimizer steps done.
        key: uint32 ``[2]``, data of the key that all randomness on the device derives from.
        learning_rate: float32 scalar, the rate that the schedule multiplies.
        params: trained parameters, float32.
        batch_stats: running means and variances of the normalisation layers, float32.
        opt_state: Adam's moments and count.
    """

    step: jax.Array
    key: jax.Array
    learning_rate: jax.Array
    params: nnx.State
    batch_stats: nnx.State
    opt_state: Any


def learning_rate_fn(config: ml_collections.ConfigDict, steps_per_epoch: int) -> optax.Schedule:
    """Share of the learning rate by step: constant within an epoch, less after every N-th.

    With ``decay_every_epochs`` N the rate of epoch e (0-based) has been multiplied
    ``max(0, (e - 1) // N)`` times: epochs 0 to N run at the full rate.
    Source: the published training code's ``adjust_learning_rate`` (method notes, section 2).
    """

    def learning_rate(step):
        epoch = step // steps_per_epoch
        decays = jnp.maximum(0, (epoch - 1) // config.decay_every_epochs)
        return config.decay_rate**decays

    return learning_rate


def make_optimizer(
    config: ml_collections.ConfigDict, steps_per_epoch: int
) -> optax.GradientTransformation:
    """Adam without weight decay, as the paper trains (section 4.1), at a learning rate of 1.

    The rate itself is part of the train state: runs that differ in it alone share a program.
    """
    schedule = learning_rate_fn(config, steps_per_epoch)
    return optax.adam(schedule, b1=config.b1, b2=config.b2)


def create_train_state(
    model: Model, optimizer: optax.GradientTransformation, *, learning_rate: float, seed: int
) -> TrainState:
    """The state before the first step."""
    params, batch_stats = nnx.state(model, nnx.Param, nnx.BatchStat)
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        key=jax.random.key_data(jax.random.key(seed)),
        learning_rate=jnp.asarray(learning_rate, jnp.float32),
        params=params,
        batch_stats=batch_stats,
        opt_state=optimizer.init(params),
    )


def init_train_state(
    config: ml_collections.ConfigDict, steps_per_epoch: int, *, load: bool = True
) -> tuple[Model, optax.GradientTransformation, TrainState]:
    """Model, optimizer and fresh state; the seed decides the initial weights.

    ``load``: whether what is frozen is read from its file, see ``build_model``.
    """
    model = build_model(config.model, nnx.Rngs(params=config.seed), load=load)
    optimizer = make_optimizer(config.optimizer, steps_per_epoch)
    rate = config.optimizer.learning_rate
    return (
        model,
        optimizer,
        create_train_state(model, optimizer, learning_rate=rate, seed=config.seed),
    )


def abstract_train_state(config: ml_collections.ConfigDict) -> TrainState:
    """The shapes of a train state, to restore into: nothing is computed."""
    return jax.eval_shape(lambda: init_train_state(config, 1, load=False)[2])
