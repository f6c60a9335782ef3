"""CLIP's weights in: both conventions of names against transformers, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
from flax import nnx

from npr_jax.models.clip import CLIP_MEAN, CLIP_STD, VIT_L14, ClipShape, ClipVision
from npr_jax.models.pretrained.clip_weights import (
    HUGGING_FACE,
    OPENAI,
    fill_tower,
    load_head,
    load_tower,
)
from npr_jax.models.pretrained.torch_weights import problems_of
from tests import clips

SMALL = ClipShape(image_side=40, patch=8, width=32, layers=3, heads=4, hidden=96, projection=24)


def abstract_tower(shape):
    return nnx.eval_shape(lambda: ClipVision(shape, rngs=nnx.Rngs(0)))


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch", reason="needs the torch extra")


@pytest.fixture(scope="module")
def theirs(torch):
    return clips.torch_tower(SMALL, seed=1)[1]


@pytest.fixture(scope="module")
def hugging_face(theirs):
    return {name: tensor.numpy() for name, tensor in theirs.state_dict().items()}


def openai_of(arrays):
    """The same weights as OpenAI stores them; its names are written here anew."""
    renamed = {
        "visual.class_embedding": arrays["vision_model.embeddings.class_embedding"],
        "visual.conv1.weight": arrays["vision_model.embeddings.patch_embedding.weight"],
        "visual.positional_embedding": arrays["vision_model.embeddings.position_embedding.weight"],
        "visual.proj": arrays["visual_projection.weight"].T,
    }
    for leaf in ("weight", "bias"):
        renamed[f"visual.ln_pre.{leaf}"] = arrays[f"vision_model.pre_layrnorm.{leaf}"]
        renamed[f"visual.ln_post.{leaf}"] = arrays[f"vision_model.post_layernorm.{leaf}"]
        for n in range(SMALL.layers):
            old, new = f"vision_model.encoder.layers.{n}", f"visual.transformer.resblocks.{n}"
            parts = [arrays[f"{old}.self_attn.{p}_proj.{leaf}"] for p in "qkv"]
            renamed[f"{new}.attn.in_proj_{leaf}"] = np.concatenate(parts)
            renamed[f"{new}.attn.out_proj.{leaf}"] = arrays[f"{old}.self_attn.out_proj.{leaf}"]
            renamed[f"{new}.ln_1.{leaf}"] = arrays[f"{old}.layer_norm1.{leaf}"]
            renamed[f"{new}.ln_2.{leaf}"] = arrays[f"{old}.layer_norm2.{leaf}"]
            renamed[f"{new}.mlp.c_fc.{leaf}"] = arrays[f"{old}.mlp.fc1.{leaf}"]
            renamed[f"{new}.mlp.c_proj.{leaf}"] = arrays[f"{old}.mlp.fc2.{leaf}"]
    return {name: array.astype(np.float16) for name, array in renamed.items()}


def images(count=3):
    shape = (count, SMALL.image_side, SMALL.image_side, 3)
    return np.random.default_rng(5).normal(size=shape).astype(np.float32)


def embeddings_of_theirs(torch, theirs, x):
    with torch.no_grad():
        return theirs(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())).image_embeds.numpy()


def test_embeddings_are_those_of_transformers(torch, theirs, hugging_face):
    tower = fill_tower(abstract_tower(SMALL), hugging_face)
    x = images()
    expected = embeddings_of_theirs(torch, theirs, x)
    assert np.abs(expected).max() > 1, "differences would not show"
    np.testing.assert_allclose(jax.jit(tower)(x), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.slow
def test_vit_l14_embeds_as_transformers_does():
    """The published size on random weights: 304 million of them, some 5 GB of memory."""
    _, theirs = clips.torch_tower(VIT_L14, seed=2)
    arrays = {name: tensor.numpy() for name, tensor in theirs.state_dict().items()}
    tower = fill_tower(abstract_tower(VIT_L14), arrays)
    pixels = np.random.default_rng(6).integers(0, 256, (1, 224, 224, 3), np.uint8)
    expected = clips.torch_embeddings(theirs, pixels)
    x = (pixels / 255.0 - np.array(CLIP_MEAN)) / np.array(CLIP_STD)
    ours = np.asarray(jax.jit(tower)(x.astype(np.float32)))
    assert np.linalg.norm(ours - expected) < 1e-4 * np.linalg.norm(expected)


def test_bfloat16_is_near_transformers_in_float32(torch, theirs, hugging_face):
    tower = nnx.eval_shape(lambda: ClipVision(SMALL, dtype=jnp.bfloat16, rngs=nnx.Rngs(0)))
    tower = fill_tower(tower, hugging_face)
    x = images()
    ours, expected = np.asarray(jax.jit(tower)(x)), embeddings_of_theirs(torch, theirs, x)
    assert ours.dtype == np.float32
    error = np.linalg.norm(ours - expected) / np.linalg.norm(expected)
    assert 1e-5 < error < 0.03, "arithmetic in eight bits of mantissa"


def test_gradients_of_the_parameters_have_the_norms_of_transformers(torch, theirs, hugging_face):
    tower = fill_tower(abstract_tower(SMALL), hugging_face)
    x = images()
    graphdef, params = nnx.split(tower)
    gradients = jax.jit(jax.grad(lambda p: jnp.square(nnx.merge(graphdef, p)(x)).sum()))(params)
    theirs.zero_grad()
    theirs(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())).image_embeds.square().sum().backward()
    named = dict(theirs.named_parameters())
    attention = gradients["blocks"][1]["attention"]
    pairs = [
        (gradients["patches"]["kernel"], "vision_model.embeddings.patch_embedding.weight"),
        (gradients["class_token"], "vision_model.embeddings.class_embedding"),
        (gradients["positions"], "vision_model.embeddings.position_embedding.weight"),
        (attention["query"]["kernel"], "vision_model.encoder.layers.1.self_attn.q_proj.weight"),
        (gradients["blocks"][0]["reduce"]["bias"], "vision_model.encoder.layers.0.mlp.fc2.bias"),
    ]
    for ours, name in pairs:
        expected = float(named[name].grad.norm())
        assert float(jnp.linalg.norm(ours[...])) == pytest.approx(expected, rel=1e-3), name


@pytest.mark.parametrize("ending", [".safetensors", ".pth"])
def test_openai_names_in_half_precision_give_the_same_tower(torch, hugging_face, tmp_path, ending):
    text_tower = {
        "positional_embedding": np.zeros((77, 8), np.float16),
        "text_projection": np.zeros((8, 24), np.float16),
        "logit_scale": np.zeros((), np.float16),
        "token_embedding.weight": np.zeros((9, 8), np.float16),
        "ln_final.weight": np.zeros(8, np.float16),
        "transformer.resblocks.0.attn.in_proj_weight": np.zeros((24, 8), np.float16),
        "input_resolution": np.array(224),
        "context_length": np.array(77),
        "vocab_size": np.array(9),
    }
    arrays = openai_of(hugging_face) | text_tower
    path = tmp_path / f"clip{ending}"
    if ending == ".pth":
        torch.save({k: torch.from_numpy(np.asarray(v)) for k, v in arrays.items()}, path)
    else:
        # Transposed views are no plain arrays, which safetensors would store as they lie.
        safetensors.numpy.save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, path)
    tower = load_tower(abstract_tower(SMALL), path)
    expected = dict(nnx.to_flat_state(nnx.state(fill_tower(abstract_tower(SMALL), hugging_face))))
    ours = dict(nnx.to_flat_state(nnx.state(tower)))
    assert ours.keys() == expected.keys()
    for name, variable in ours.items():
        np.testing.assert_array_equal(variable.get_value(), expected[name].get_value(), str(name))


def test_text_tower_of_hugging_face_is_ignored_by_name(hugging_face):
    text = {
        "logit_scale": np.zeros((), np.float32),
        "text_projection.weight": np.zeros((24, 8), np.float32),
        "text_model.embeddings.token_embedding.weight": np.zeros((9, 8), np.float32),
        "text_model.embeddings.position_ids": np.arange(77)[None],
        "vision_model.embeddings.position_ids": np.arange(26)[None],
    }
    fill_tower(abstract_tower(SMALL), hugging_face | text)
    with pytest.raises(ValueError, match=r"text_model_2\.weight: no such parameter"):
        fill_tower(abstract_tower(SMALL), hugging_face | {"text_model_2.weight": np.zeros(3)})


def test_all_problems_are_listed_together(hugging_face):
    broken = dict(hugging_face)
    del broken["vision_model.post_layernorm.bias"]
    broken["vision_model.encoder.layers.3.mlp.fc1.bias"] = np.zeros(96, np.float32)
    broken["vision_model.encoder.layers.0.mlp.fc1.weight"] = np.zeros((64, 32), np.float32)
    with pytest.raises(ValueError) as caught:
        fill_tower(abstract_tower(SMALL), broken)
    message = str(caught.value)
    assert "missing: nothing gives norm_after.bias" in message
    assert "vision_model.encoder.layers.3.mlp.fc1.bias: no such parameter" in message
    [misshaped] = [line for line in message.splitlines() if "layers.0.mlp.fc1.weight" in line]
    assert "(64, 32)" in misshaped
    assert "(32, 96)" in misshaped, "both shapes are named"


def empty(*shape):
    """Zeros of that shape that take no memory."""
    return np.broadcast_to(np.float32(0), shape)


def published_hugging_face():
    """Names and shapes of openai/clip-vit-large-patch14's vision tower."""
    top = "vision_model."
    arrays = {
        f"{top}embeddings.class_embedding": empty(1024),
        f"{top}embeddings.patch_embedding.weight": empty(1024, 3, 14, 14),
        f"{top}embeddings.position_embedding.weight": empty(257, 1024),
        "visual_projection.weight": empty(768, 1024),
    }
    for norm in ("pre_layrnorm", "post_layernorm"):
        arrays |= {f"{top}{norm}.weight": empty(1024), f"{top}{norm}.bias": empty(1024)}
    for n in range(24):
        layer = f"{top}encoder.layers.{n}."
        for norm in ("layer_norm1", "layer_norm2"):
            arrays |= {f"{layer}{norm}.weight": empty(1024), f"{layer}{norm}.bias": empty(1024)}
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            arrays[f"{layer}self_attn.{name}.weight"] = empty(1024, 1024)
            arrays[f"{layer}self_attn.{name}.bias"] = empty(1024)
        arrays[f"{layer}mlp.fc1.weight"] = empty(4096, 1024)
        arrays[f"{layer}mlp.fc1.bias"] = empty(4096)
        arrays[f"{layer}mlp.fc2.weight"] = empty(1024, 4096)
        arrays[f"{layer}mlp.fc2.bias"] = empty(1024)
    return arrays


def published_openai():
    """Names and shapes of ``ViT-L-14.pt``'s vision tower."""
    arrays = {
        "visual.class_embedding": empty(1024),
        "visual.conv1.weight": empty(1024, 3, 14, 14),
        "visual.positional_embedding": empty(257, 1024),
        "visual.proj": empty(1024, 768),
    }
    for norm in ("ln_pre", "ln_post"):
        arrays |= {f"visual.{norm}.weight": empty(1024), f"visual.{norm}.bias": empty(1024)}
    for n in range(24):
        layer = f"visual.transformer.resblocks.{n}."
        for norm in ("ln_1", "ln_2"):
            arrays |= {f"{layer}{norm}.weight": empty(1024), f"{layer}{norm}.bias": empty(1024)}
        arrays[f"{layer}attn.in_proj_weight"] = empty(3072, 1024)
        arrays[f"{layer}attn.in_proj_bias"] = empty(3072)
        arrays[f"{layer}attn.out_proj.weight"] = empty(1024, 1024)
        arrays[f"{layer}attn.out_proj.bias"] = empty(1024)
        arrays[f"{layer}mlp.c_fc.weight"] = empty(4096, 1024)
        arrays[f"{layer}mlp.c_fc.bias"] = empty(4096)
        arrays[f"{layer}mlp.c_proj.weight"] = empty(1024, 4096)
        arrays[f"{layer}mlp.c_proj.bias"] = empty(1024)
    return arrays


@pytest.mark.parametrize(
    ("table", "arrays", "keys"),
    [
        (HUGGING_FACE, published_hugging_face(), 392),  # 8 + 24 x 16
        (OPENAI, published_openai(), 296),  # 8 + 24 x 12
    ],
    ids=["Hugging Face", "OpenAI"],
)
def test_published_vit_l14_fits_key_by_key(table, arrays, keys):
    assert len(arrays) == keys
    assert problems_of(table, abstract_tower(VIT_L14), arrays) == []
    assert sum(array.size for array in arrays.values()) == 303_966_208


def test_published_linear_layer_of_univfd(torch, tmp_path):
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(size=(1, 768)), rng.normal(size=1)
    layer = {"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)}
    torch.save(layer, tmp_path / "fc_weights.pth")
    head = load_head(nnx.Linear(768, 1, rngs=nnx.Rngs(0)), tmp_path / "fc_weights.pth")
    x = rng.normal(size=(4, 768))
    np.testing.assert_allclose(head(x.astype(np.float32)), x @ weight.T + bias, atol=1e-4)
    torch.save({"weight": torch.zeros(1, 512), "bias": layer["bias"]}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"weight: shape \(1, 512\) does not become \(768, 1\)"):
        load_head(nnx.Linear(768, 1, rngs=nnx.Rngs(0)), tmp_path / "other.pth")
