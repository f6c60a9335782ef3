"""Everything a training step changes, as one pytree, and how it starts."""

import dataclasses
from typing import Any

import flax
import jax
import jax.numpy as jnp
import optax
from flax import nnx
from ml_collections import ConfigDict

from npr_jax.models.base import Model
from npr_jax.models.systems.registry import build_model
from npr_jax.training.schedules import share_of_rate


@flax.struct.dataclass
class TrainState:
    """Donated to each step, replicated over devices, saved whole."""

    step: jax.Array  # int32 scalar, optimizer steps done
    key: jax.Array  # uint32 ``[2]``, data of the key that all randomness on the device derives from
    learning_rate: jax.Array  # float32 scalar, the rate that the schedule multiplies
    params: nnx.State  # trained parameters, float32
    batch_stats: nnx.State  # running means and variances of the normalisation layers, float32
    opt_state: Any  # Adam's moments and count

    def items(self) -> dict[str, dict[str, Any]]:
        """The state in the two parts that a checkpoint keeps apart.

        ``model`` is all that scoring needs; ``optimizer`` is what training needs besides.
        """
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        model = {name: fields.pop(name) for name in ("params", "batch_stats")}
        return {"model": model, "optimizer": fields}


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
    config: ConfigDict, steps_per_epoch: int, *, load: bool = True
) -> tuple[Model, optax.GradientTransformation, TrainState]:
    """Model, optimizer and fresh state; the seed decides the initial weights.

    ``load``: whether what is frozen is read from its file, see ``build_model``.
    """
    model = build_model(config.model, nnx.Rngs(params=config.seed), load=load)
    optimizer = make_optimizer(config.optimizer, steps_per_epoch, config.num_epochs)
    state = create_train_state(
        model, optimizer, learning_rate=config.optimizer.learning_rate, seed=config.seed
    )
    return model, optimizer, state
