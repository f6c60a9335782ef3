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
        params: trained parameters, float32.
        batch_stats: running means and variances of the normalisation layers, float32.
        opt_state: Adam's moments and count.
    """

    step: jax.Array
    params: nnx.State
    batch_stats: nnx.State
    opt_state: Any


def learning_rate_fn(config: ml_collections.ConfigDict, steps_per_epoch: int) -> optax.Schedule:
    """Learning rate by step: constant within an epoch, decayed at the *end* of every N-th.

    With ``decay_every_epochs`` N the rate of epoch e (0-based) has been multiplied
    ``max(0, (e - 1) // N)`` times: epochs 0 to N run at the full rate.
    Source: the published training code's ``adjust_learning_rate`` (method notes, section 2).
    """

    def learning_rate(step):
        epoch = step // steps_per_epoch
        decays = jnp.maximum(0, (epoch - 1) // config.decay_every_epochs)
        return config.learning_rate * config.decay_rate**decays

    return learning_rate


def make_optimizer(
    config: ml_collections.ConfigDict, steps_per_epoch: int
) -> optax.GradientTransformation:
    """Adam without weight decay, as the paper trains (section 4.1)."""
    schedule = learning_rate_fn(config, steps_per_epoch)
    return optax.adam(schedule, b1=config.b1, b2=config.b2)


def create_train_state(model: Model, optimizer: optax.GradientTransformation) -> TrainState:
    """The state before the first step."""
    _, params, batch_stats = nnx.split(model, nnx.Param, nnx.BatchStat)
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        batch_stats=batch_stats,
        opt_state=optimizer.init(params),
    )


def init_train_state(
    config: ml_collections.ConfigDict, steps_per_epoch: int
) -> tuple[nnx.GraphDef, optax.GradientTransformation, TrainState]:
    """Model structure, optimizer and fresh state; the seed decides the initial weights."""
    model = build_model(config.model, nnx.Rngs(params=config.seed))
    optimizer = make_optimizer(config.optimizer, steps_per_epoch)
    return nnx.graphdef(model), optimizer, create_train_state(model, optimizer)


def abstract_train_state(config: ml_collections.ConfigDict) -> tuple[nnx.GraphDef, TrainState]:
    """Model structure and the shapes of a train state, to restore into: nothing is computed."""
    model = nnx.eval_shape(lambda: build_model(config.model, nnx.Rngs(params=0)))
    state = jax.eval_shape(lambda: init_train_state(config, steps_per_epoch=1)[2])
    return nnx.graphdef(model), state
