"""Batch normalisation beside PyTorch's, over many steps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from npr_jax.models.layers import BatchNorm

torch = pytest.importorskip("torch", reason="needs the torch extra")


def test_running_variance_after_1000_steps_is_torchs_less_one_part_in_n():
    """Ours divides by n, torch's by n - 1; the running means agree."""
    steps, shape = 1000, (4, 4, 4, 3)
    n = shape[0] * shape[1] * shape[2]
    rng = np.random.default_rng(0)
    batches = rng.normal(2.0, 3.0, (steps, *shape)).astype(np.float32)
    layer = BatchNorm(3, dtype=jnp.float32, rngs=nnx.Rngs(0))
    layer.train()
    graphdef, state = nnx.split(layer)

    def step(state, batch):
        layer = nnx.merge(graphdef, state)
        layer(batch)
        return nnx.state(layer), None

    state, _ = jax.jit(lambda s, b: jax.lax.scan(step, s, b))(state, batches)
    peer = torch.nn.BatchNorm2d(3)
    with torch.no_grad():
        for batch in batches:
            peer(torch.from_numpy(batch.transpose(0, 3, 1, 2)))
    np.testing.assert_allclose(state["mean"][...], peer.running_mean, rtol=1e-4)
    np.testing.assert_allclose(state["var"][...] * n / (n - 1), peer.running_var, rtol=1e-4)
    assert np.abs(state["var"][...] / peer.running_var.numpy() - 1).min() > 0.9 / n
