"""What the comparisons of our models with their PyTorch twins share."""

import jax
import numpy as np
import optax
from flax import nnx

from npr_jax.models import predict


def images(n, height, width, seed=0):
    """uint8 ``[n, height, width, 3]`` of noise."""
    return np.random.default_rng(seed).integers(0, 256, (n, height, width, 3), np.uint8)


def gradient_norms(model, pixels, labels):
    """Norm of the loss's gradient for each parameter, in training mode."""
    graphdef, params, rest = nnx.split(model, nnx.Param, ...)

    def loss(params):
        copy = nnx.merge(graphdef, params, rest, copy=True)
        copy.train()
        return optax.sigmoid_binary_cross_entropy(predict(copy, pixels).logits, labels).mean()

    gradients = jax.jit(jax.grad(loss))(params)
    return [float(np.linalg.norm(leaf)) for leaf in jax.tree.leaves(gradients)]


def published_gradients(twin, logits_of, labels):
    """The same of a PyTorch model; ``logits_of`` gives its logits."""
    import torch

    twin.train()
    twin.zero_grad()
    logits = logits_of(twin)
    torch.nn.functional.binary_cross_entropy_with_logits(
        logits, torch.from_numpy(labels)
    ).backward()
    return [float(parameter.grad.norm()) for parameter in twin.parameters()]
