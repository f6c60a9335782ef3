"""The ways to run branches give one result, in scoring and in training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from npr_jax.models.fusion import run_branches
from npr_jax.models.resnet import ResNet, ResNetShape
from tests.models.test_models import randomize_statistics

SHAPES = {
    "basic": ResNetShape(stages=((8, 1), (16, 1)), bottleneck=False, width=8),
    "bottleneck": ResNetShape(stages=((4, 1), (8, 1)), bottleneck=True, width=8),
}


@pytest.fixture(autouse=True)
def _highest_precision():
    with jax.default_matmul_precision("highest"):
        yield


def make(shape, count):
    networks = nnx.List([ResNet(shape, rngs=nnx.Rngs(params=seed)) for seed in range(count)])
    return randomize_statistics(networks)


def views(count, batch=4, height=20, width=27):
    rng = np.random.default_rng(5)
    return [rng.normal(size=(batch, height, width, 3)).astype(np.float32) for _ in range(count)]


def trained_once(networks, inputs, examples, *, batched):
    """Maps, gradients by parameters and statistics of one step in training mode."""
    networks.train()
    graphdef, params, statistics = nnx.split(networks, nnx.Param, nnx.BatchStat)

    @jax.jit
    def step(params, inputs):
        def loss(params):
            model = nnx.merge(graphdef, params, statistics, copy=True)
            maps = run_branches(model, inputs, None, examples, batched=batched)
            total = sum((jnp.sin(m) * (i + 1)).mean() for i, m in enumerate(maps))
            return total, (maps, nnx.state(model, nnx.BatchStat))

        gradients, (maps, after) = jax.grad(loss, has_aux=True)(params)
        return maps, gradients, after

    return step(params, inputs)


def assert_equal(ours, expected, atol):
    """Leaf by leaf, relative to the largest number of the leaf where that is above 1."""
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=atol * max(1, np.abs(b).max()))


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "counted", [pytest.param(None, id="all"), pytest.param((True, True, False, True), id="some")]
)
def test_batched_branches_train_as_a_loop_does(shape, counted):
    examples = None if counted is None else jnp.array(counted).reshape(-1, 1, 1, 1)
    networks, inputs = make(SHAPES[shape], 3), views(3)
    loop = trained_once(networks, inputs, examples, batched=False)
    batched = trained_once(networks, inputs, examples, batched=True)
    assert_equal(batched, loop, 1e-5)
    means = [s[...] for p, s in nnx.to_flat_state(loop[2]) if p[-1] == "mean"]
    before = [s[...] for p, s in nnx.to_flat_state(nnx.state(networks)) if p[-1] == "mean"]
    assert all(np.abs(a - b).max() > 1e-4 for a, b in zip(means, before, strict=True))


def test_batched_branches_score_padded_images_as_a_loop_does():
    networks, inputs = make(SHAPES["basic"], 3), views(3, height=24, width=32)
    networks.eval()
    mask = np.zeros((4, 24, 32, 1), np.float32)
    mask[:, :17, :30] = 1
    masked = [view * mask for view in inputs]
    maps = [run_branches(networks, masked, mask, None, batched=b) for b in (False, True)]
    assert_equal(maps[1], maps[0], 1e-5)
    alone = networks[1](masked[1][:, :17, :30])
    np.testing.assert_allclose(maps[1][1][:, :3, :4], alone, rtol=0, atol=1e-5)


def test_shared_branches_are_one_network_on_one_batch_of_all_views():
    networks, inputs = make(SHAPES["basic"], 1), views(3)
    together = run_branches(networks, inputs, None, None, batched=False)
    networks.eval()
    scored = run_branches(networks, inputs, None, None, batched=False)
    for index, view in enumerate(inputs):
        np.testing.assert_allclose(scored[index], networks[0](view), rtol=0, atol=1e-5)
    # In training the first layer's output has mean 0 over all views together, not over each.
    fresh = make(SHAPES["basic"], 1)
    fresh.train()
    expected = fresh[0](np.concatenate(inputs))
    np.testing.assert_allclose(jnp.concatenate(together), expected, rtol=0, atol=1e-4)


def test_shared_branches_count_an_images_views_together():
    """A row that does not count is left out of the statistics with all its views."""
    inputs = views(2)
    statistics = []
    for rows in (slice(None), slice(0, 3)):
        networks = make(SHAPES["basic"], 1)
        networks.train()
        examples = None if rows.stop else jnp.array([1, 1, 1, 0], bool).reshape(-1, 1, 1, 1)
        run_branches(networks, [v[rows] for v in inputs], None, examples, batched=False)
        statistics.append(nnx.state(networks, nnx.BatchStat))
    first = [nnx.to_pure_dict(s)[0]["bn1"] for s in statistics]
    np.testing.assert_allclose(first[0]["mean"], first[1]["mean"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(first[0]["var"], first[1]["var"], rtol=0, atol=1e-6)


def test_neither_one_branch_nor_one_for_each_view_is_refused():
    with pytest.raises(ValueError, match="2 branches for 3 views"):
        run_branches(make(SHAPES["basic"], 2), views(3), None, None, batched=True)
