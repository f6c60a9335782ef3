"""Every system and backbone against independent numbers: torch, and counts made by hand."""

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest
from flax import nnx

from configs import default
from npr_jax.models.base import count_parameters, predict
from npr_jax.models.systems.registry import build_model, recognise

torch = pytest.importorskip("torch", reason="needs the torch extra")

from benchmarks.torch_npr import TorchNPR  # noqa: E402  (imports torch)
from benchmarks.torch_npr import normalize as torch_normalize  # noqa: E402
from tests.twins import branches  # noqa: E402

# Of one light branch: 3x3 stem; two blocks of two 3x3; one that doubles channels; another one.
# Batch normalisation has two numbers per channel.
LIGHT_BRANCH = (
    (27 * 64 + 2 * 64)
    + 2 * (2 * 9 * 64 * 64 + 2 * 2 * 64)
    + (9 * 64 * 128 + 9 * 128 * 128 + 64 * 128 + 3 * 2 * 128)
    + (2 * 9 * 128 * 128 + 2 * 2 * 128)
)
# torchvision's ResNet-50 has 25,557,032; less its 7x7 stem and its head, plus ours.
RESNET50 = 25_557_032 - 49 * 3 * 64 - 1000 * 2049 + 9 * 3 * 64 + 2049


ATTENTION = {
    "name": "multiscale",
    "fusion": "attention",
    "share_branches": False,
    "batch_branches": False,
    "backbone": "light_resnet",
}


def build(seed=0, **changes):
    settings = default.get_model().to_dict() | {"attention_features": 128} | changes
    config = ml_collections.ConfigDict(settings)
    return build_model(config, nnx.Rngs(params=seed))


def scored(model, images):
    model.eval()
    return jax.jit(lambda x: predict(model, x))(images)


def images(n, height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, height, width, 3), np.uint8)


def randomize_statistics(model, seed=0):
    """Running statistics and scales that are not 0 and 1, as after training."""
    rng = np.random.default_rng(seed)
    for path, variable in nnx.to_flat_state(nnx.state(model)):
        if path[-1] in ("var", "scale"):
            variable.set_value(jnp.asarray(rng.uniform(0.5, 1.5, variable.shape), jnp.float32))
        elif path[-1] in ("mean", "bias"):
            variable.set_value(jnp.asarray(rng.normal(0, 0.1, variable.shape), jnp.float32))
    return model


@pytest.fixture(scope="module")
def twin():
    """The PyTorch twin with batch statistics as after training, and our model of its weights."""
    generator = torch.Generator().manual_seed(0)
    peer = TorchNPR().eval()
    for module in peer.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    ours = recognise({k: v.numpy() for k, v in peer.state_dict().items()})[2]
    return peer, ours


@pytest.mark.parametrize("size", [(64, 64), (33, 47), (101, 64), (32, 75)])
def test_npr_equals_the_torch_twin_at_even_and_odd_sizes(twin, size):
    peer, ours = twin
    pixels = images(2, *size)
    with torch.no_grad():
        expected = peer(torch_normalize(torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy())))
    np.testing.assert_allclose(scored(ours, pixels).logits, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("scales", [2, 3, 4])
def test_multiscale_attention_parameters_counted_by_hand(scales):
    factors = (0.25, 0.5, 0.75, 0.125)[:scales]
    model = nnx.eval_shape(lambda: build(**ATTENTION, factors=factors))
    attention = 128 * scales * 128 + 128 + 128 * scales + scales
    expected = scales * LIGHT_BRANCH + attention + 128 + 1
    assert sum(v.size for v in jax.tree.leaves(nnx.state(model, nnx.Param))) == expected


def test_full_resnet50_parameters_counted_from_torchvisions():
    model = nnx.eval_shape(lambda: build(backbone="resnet50"))
    assert sum(v.size for v in jax.tree.leaves(nnx.state(model, nnx.Param))) == RESNET50


@pytest.mark.slow
def test_full_resnet50_scores_in_both_precisions():
    model = build(backbone="resnet50")
    assert count_parameters(model) == RESNET50
    pixels = images(2, 64, 64)
    logits = scored(model, pixels).logits
    assert logits.dtype == jnp.float32
    assert np.isfinite(logits).all()
    half = build(backbone="resnet50", dtype="bfloat16")
    np.testing.assert_allclose(scored(half, pixels).logits, logits, atol=0.25)


@pytest.mark.parametrize(
    "changes",
    [
        {"backbone": "cut_resnet50"},
        ATTENTION | {"factors": (0.25, 0.5)},
    ],
)
def test_bfloat16_is_near_float32_and_keeps_float32_parameters(changes):
    pixels = images(4, 48, 48)
    exact = scored(randomize_statistics(build(**changes)), pixels)
    model = randomize_statistics(build(**changes, dtype="bfloat16"))
    dtypes = {leaf.dtype for leaf in jax.tree.leaves(nnx.state(model))}
    assert dtypes == {jnp.dtype(jnp.float32)}
    half = scored(model, pixels)
    assert half.logits.dtype == jnp.float32
    differences = np.abs(half.logits - exact.logits)
    assert 0 < differences.max() < 0.1, "bfloat16 has 8 bits of precision: near, not equal"


def test_multiscale_attention_equals_torch_and_its_weights_sum_to_one():
    factors = (0.25, 0.5, 0.75)
    model = build(**ATTENTION, factors=factors)
    randomize_statistics(model, seed=3)
    pixels = images(3, 45, 64, seed=4)
    prediction = scored(model, pixels)
    logits, weights = branches.attention(branches.Numbers(model), pixels, factors)
    assert prediction.weights.shape == (3, 3)
    np.testing.assert_allclose(prediction.weights.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(prediction.weights, weights, rtol=0, atol=1e-5)
    np.testing.assert_allclose(prediction.logits, logits, rtol=0, atol=1e-4)
    assert np.ptp(weights, axis=0).max() > 1e-4, "weights are per image"
