"""Every way to fuse scales, against torch functions on the same numbers."""

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest
from flax import nnx

from configs import multiscale
from npr_jax.config import check_config
from npr_jax.models.base import predict, whole_maps
from npr_jax.models.systems.registry import build_model
from tests.models.test_models import LIGHT_BRANCH, images, randomize_statistics

torch = pytest.importorskip("torch", reason="needs the torch extra")

from tests.twins import branches  # noqa: E402  (imports torch)

FACTORS = (0.25, 0.5, 0.75)
FUSIONS = ("stack", "mean", "concatenation", "fixed", "attention", "spatial", "cross")
LINEAR = FUSIONS[:-1]
WEIGHTS = (3.0, 1.0, 4.0)


def settings(fusion, **changes):
    config = multiscale.get_config(fusion).model
    changes = ({"scale_weights": WEIGHTS} if fusion == "fixed" else {}) | changes
    return ml_collections.ConfigDict(config.to_dict() | changes)


def build(fusion, **changes):
    model = build_model(settings(fusion, **changes), nnx.Rngs(params=0))
    randomize_statistics(model, seed=3)
    model.eval()
    return model


def by_torch(fusion, model, pixels):
    arguments = {"fixed": {"scale_weights": np.array(WEIGHTS) / 8}, "cross": {"heads": 4}}
    function = {"fixed": branches.mean}.get(fusion) or getattr(branches, fusion)
    return function(branches.Numbers(model), pixels, FACTORS, **arguments.get(fusion, {}))


@pytest.mark.parametrize(
    ("fusion", "share"),
    [
        *((fusion, False) for fusion in FUSIONS),
        # Stacked channels have no branches to share.
        *((fusion, True) for fusion in FUSIONS if fusion != "stack"),
    ],
)
def test_heads_equal_torch(fusion, share):
    model = build(fusion, share_branches=share)
    pixels = images(3, 45, 64, seed=4)
    prediction = jax.jit(lambda x: predict(model, x))(pixels)
    logits, weights = by_torch(fusion, model, pixels)
    np.testing.assert_allclose(prediction.logits, logits, rtol=0, atol=1e-4)
    assert np.ptp(logits) > 1e-3, "images that all score alike would prove nothing"
    if weights is None:
        assert prediction.weights is None
        assert model.scales == ()
    else:
        assert model.scales == ("0.25", "0.5", "0.75")
        np.testing.assert_allclose(prediction.weights, weights, rtol=0, atol=1e-5)
        np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
        assert np.ptp(weights, axis=0).max() > 1e-5, "weights are per image"


@pytest.mark.parametrize("fusion", ["npr", *LINEAR])
def test_position_logits_average_to_the_logit(fusion):
    model = build("mean" if fusion == "npr" else fusion)
    if fusion == "npr":
        config = ml_collections.ConfigDict(settings("mean").to_dict() | {"name": "npr"})
        config.factors = (0.5,)
        model = randomize_statistics(build_model(config, nnx.Rngs(params=0)))
        model.eval()
    pixels = images(2, 40, 52)

    @jax.jit
    def both(x):
        maps, prediction = whole_maps(model, x), predict(model, x)
        return model.position_logits(maps, prediction), prediction.logits

    positions, logits = both(pixels)
    assert positions.shape == (2, 5, 7)
    np.testing.assert_allclose(positions.mean(axis=(1, 2)), logits, rtol=0, atol=1e-5)
    assert np.ptp(positions) > 1e-3


def test_maps_of_spatial_weights_have_a_name_each_and_sum_to_one():
    model = build("spatial")
    maps = whole_maps(model, images(2, 40, 52))
    weights = model.position_maps(maps)
    assert list(weights) == ["weight 0.25", "weight 0.5", "weight 0.75"]
    total = sum(np.asarray(w) for w in weights.values())
    np.testing.assert_allclose(total, np.ones((2, 5, 7)), rtol=1e-6)
    assert np.ptp(weights["weight 0.5"]) > 1e-4, "weights are per position"


@pytest.mark.parametrize("fusion", ["attention", "spatial", "cross"])
def test_equal_scales_are_told_apart(fusion):
    config = settings(fusion, factors=(0.5, 0.25, 0.5))
    model = nnx.eval_shape(lambda: build_model(config, nnx.Rngs(params=0)))
    assert model.scales == ("0.5", "0.25", "0.5 (2)")


@pytest.mark.parametrize(
    ("fusion", "head"),
    [
        ("stack", -2 * LIGHT_BRANCH + 2 * 27 * 64 + 129),
        ("mean", 129),
        ("fixed", 129),
        ("concatenation", 3 * 128 + 1),
        ("attention", (3 * 128 + 1) * 128 + 129 * 3 + 129),
        ("spatial", (3 * 128 + 1) * 128 + 129 * 3 + 129),
        # Two embeddings with places, two normalisations, two attentions of four layers.
        (
            "cross",
            (129 + 3) * 128 + (33 + 17) * 128 + 2 * 2 * 128 + 2 * 4 * 129 * 128 + 257,
        ),
    ],
)
def test_parameters_counted_by_hand(fusion, head):
    def count(**changes):
        model = nnx.eval_shape(lambda: build_model(settings(fusion, **changes), nnx.Rngs(params=0)))
        return sum(v.size for v in jax.tree.leaves(nnx.state(model, nnx.Param)))

    assert count() == 3 * LIGHT_BRANCH + head
    if fusion != "stack":
        assert count(share_branches=True) == LIGHT_BRANCH + head


@pytest.mark.parametrize("fusion", ["spatial", "cross", "stack"])
def test_bfloat16_is_near_float32(fusion):
    pixels = images(2, 48, 48)
    exact, half = build(fusion), build(fusion, dtype="bfloat16")
    expected = jax.jit(lambda x: predict(exact, x).logits)(pixels)
    logits = jax.jit(lambda x: predict(half, x).logits)(pixels)
    assert logits.dtype == jnp.float32
    assert 0 < np.abs(logits - expected).max() < 0.1


@pytest.mark.parametrize(
    ("fusion", "changes", "words"),
    [
        ("fixed", {"scale_weights": (1.0, 2.0)}, "one weight for each"),
        ("fixed", {"scale_weights": (0.0, 0.0, 0.0)}, "not all 0"),
        ("mean", {"scale_weights": (1.0, 1.0, 1.0)}, "has none"),
        ("cross", {"attention_heads": 3}, "no multiple of"),
        ("mean", {"share_branches": True, "batch_branches": True}, "one network"),
        ("average", {}, "one of stack, mean"),
        ("stack", {"share_branches": True}, "share_branches is True.* has no branches"),
        ("stack", {"batch_branches": True}, "batch_branches is True.* has no branches"),
        ("mean", {"modes": ("nearest", "area")}, "cannot be used:\n.*model.modes has 2"),
    ],
)
def test_settings_that_do_not_fit_are_explained(fusion, changes, words):
    config = multiscale.get_config(fusion)
    config.model.update(changes)
    with pytest.raises(ValueError, match=words):
        check_config(config)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_recipes_are_valid(fusion):
    check_config(multiscale.get_config(fusion))
    assert multiscale.get_config(f"{fusion},1/3,0.5").model.factors == (1 / 3, 0.5)
