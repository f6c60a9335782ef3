"""One training step's forward and backward pass on both sides, with the same weights."""

import jax
import jax.numpy as jnp
import numpy as np
import torch
from flax import nnx

from npr_jax.models.base import predict


def randomize(twin: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Scales, biases and running statistics that are not 1 and 0, as after training."""
    generator = torch.Generator().manual_seed(seed)
    for module in twin.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            with torch.no_grad():
                module.weight.uniform_(0.5, 1.5, generator=generator)
                module.bias.normal_(0, 0.1, generator=generator)
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    return twin


def state_dict(twin: torch.nn.Module) -> dict[str, np.ndarray]:
    """Its parameters and statistics as a published file holds them."""
    return {name: tensor.numpy().copy() for name, tensor in twin.state_dict().items()}


def gradients_as_state(twin: torch.nn.Module) -> dict[str, np.ndarray]:
    """The parameters' gradients under their names; running statistics as they are."""
    arrays = state_dict(twin)
    return arrays | {name: p.grad.numpy().copy() for name, p in twin.named_parameters()}


def logits_of(model, pixels: np.ndarray) -> np.ndarray:
    """Our logits in evaluation mode."""
    model.eval()
    return np.asarray(jax.jit(lambda x: predict(model, x).logits)(pixels))


def training_pass(model, pixels: np.ndarray, labels: np.ndarray):
    """Our logits, parameter gradients and new statistics in training mode (sigmoid loss)."""
    graphdef, params, statistics = nnx.split(model, nnx.Param, nnx.BatchStat)

    @jax.jit
    def run(params):
        def loss(params):
            own = nnx.merge(graphdef, params, statistics, copy=True)
            own.train()
            logits = predict(own, pixels).logits
            signs = jnp.asarray(1 - 2 * labels)
            return jnp.logaddexp(0.0, signs * logits).mean(), (
                logits,
                nnx.state(own, nnx.BatchStat),
            )

        return jax.grad(loss, has_aux=True)(params)

    gradients, (logits, statistics) = run(params)
    return np.asarray(logits), gradients, statistics


def flat(state) -> dict[str, np.ndarray]:
    """Arrays of a state by dotted path."""
    return {
        ".".join(map(str, path)): np.asarray(variable.get_value())
        for path, variable in nnx.to_flat_state(state)
    }
