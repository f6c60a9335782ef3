"""The noise predictor's network: parity with PyTorch, names and shapes of the published one."""

import functools
import hashlib
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from flax import nnx

from npr_jax.models.diffusion import unet
from npr_jax.models.diffusion.unet import NoisePredictor, predict_noise
from npr_jax.models.pretrained import noise_predictor_file
from npr_jax.models.pretrained.noise_predictor_file import (
    load_noise_predictor,
    save_noise_predictor,
)
from tests.models.diffusion import small
from tests.twins.adm import ADM

SMALL = unet.UNetShape(16, (1, 2), 1, (2,), head_channels=8, groups=8, learned_sigma=True)


def random_twin(seed=0):
    """A network of PyTorch's, all its parameters random: none of the zeros they start from."""
    twin = ADM(16, (1, 2), 1, (2,), head=8, groups=8, outputs=6)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in twin.parameters():
            fan = max(1, parameter[0].numel()) if parameter.ndim > 1 else 10
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / fan**0.5)
    return twin, {name: value.numpy() for name, value in twin.state_dict().items()}


def test_outputs_are_those_of_an_independent_torch_version():
    twin, arrays = random_twin()
    model = noise_predictor_file.load_unet(arrays, SMALL)
    x = np.random.default_rng(0).normal(size=(2, 8, 12, 3)).astype(np.float32)
    times = np.array([3, 950], np.int32)
    ours = np.asarray(nnx.jit(model)(jnp.asarray(x), jnp.asarray(times)))
    with torch.no_grad():
        theirs = twin(torch.tensor(x.transpose(0, 3, 1, 2)), torch.tensor(times))
    theirs = theirs.numpy().transpose(0, 2, 3, 1)
    assert np.abs(theirs).max() > 0.5
    np.testing.assert_allclose(ours, theirs, atol=1e-4)
    graphdef, params = nnx.split(model)
    noise = jax.jit(functools.partial(predict_noise, graphdef))(params, x, times)
    np.testing.assert_allclose(noise, theirs[..., :3], atol=1e-4)


def test_weights_go_out_under_the_names_they_came_in():
    _, arrays = random_twin()
    out = noise_predictor_file.published_arrays(noise_predictor_file.load_unet(arrays, SMALL))
    assert out.keys() == arrays.keys()
    for name in arrays:
        np.testing.assert_array_equal(out[name], arrays[name])


# Layers of the published 256x256 model in the order of its file, written down by hand from the
# paper's description: block: (channels in, channels out, attention behind it). 'd' and 'u' change
# the resolution.
DOWN = {
    1: (256, 256, False), 2: (256, 256, False), 3: "d256",
    4: (256, 256, False), 5: (256, 256, False), 6: "d256",
    7: (256, 512, False), 8: (512, 512, False), 9: "d512",
    10: (512, 512, True), 11: (512, 512, True), 12: "d512",
    13: (512, 1024, True), 14: (1024, 1024, True), 15: "d1024",
    16: (1024, 1024, True), 17: (1024, 1024, True),
}  # fmt: skip
UP = {
    0: (2048, 1024, True), 1: (2048, 1024, True), 2: (2048, 1024, True, "u"),
    3: (2048, 1024, True), 4: (2048, 1024, True), 5: (1536, 1024, True, "u"),
    6: (1536, 512, True), 7: (1024, 512, True), 8: (1024, 512, True, "u"),
    9: (1024, 512, False), 10: (1024, 512, False), 11: (768, 512, False, "u"),
    12: (768, 256, False), 13: (512, 256, False), 14: (512, 256, False, "u"),
    15: (512, 256, False), 16: (512, 256, False), 17: (512, 256, False),
}  # fmt: skip


def residual_shapes(name, inputs, outputs):
    yield f"{name}.in_layers.0.weight", (inputs,)
    yield f"{name}.in_layers.0.bias", (inputs,)
    yield f"{name}.in_layers.2.weight", (outputs, inputs, 3, 3)
    yield f"{name}.in_layers.2.bias", (outputs,)
    yield f"{name}.emb_layers.1.weight", (2 * outputs, 1024)
    yield f"{name}.emb_layers.1.bias", (2 * outputs,)
    yield f"{name}.out_layers.0.weight", (outputs,)
    yield f"{name}.out_layers.0.bias", (outputs,)
    yield f"{name}.out_layers.3.weight", (outputs, outputs, 3, 3)
    yield f"{name}.out_layers.3.bias", (outputs,)
    if inputs != outputs:
        yield f"{name}.skip_connection.weight", (outputs, inputs, 1, 1)
        yield f"{name}.skip_connection.bias", (outputs,)


def attention_shapes(name, channels):
    yield f"{name}.norm.weight", (channels,)
    yield f"{name}.norm.bias", (channels,)
    yield f"{name}.qkv.weight", (3 * channels, channels, 1)
    yield f"{name}.qkv.bias", (3 * channels,)
    yield f"{name}.proj_out.weight", (channels, channels, 1)
    yield f"{name}.proj_out.bias", (channels,)


def published_table():
    table = {
        "time_embed.0.weight": (1024, 256),
        "time_embed.0.bias": (1024,),
        "time_embed.2.weight": (1024, 1024),
        "time_embed.2.bias": (1024,),
        "input_blocks.0.0.weight": (256, 3, 3, 3),
        "input_blocks.0.0.bias": (256,),
        "out.0.weight": (256,),
        "out.0.bias": (256,),
        "out.2.weight": (6, 256, 3, 3),
        "out.2.bias": (6,),
    }
    parts = []
    for number, entry in DOWN.items():
        name = f"input_blocks.{number}"
        if isinstance(entry, str):
            channels = int(entry[1:])
            parts.append(residual_shapes(f"{name}.0", channels, channels))
            continue
        parts.append(residual_shapes(f"{name}.0", *entry[:2]))
        if entry[2]:
            parts.append(attention_shapes(f"{name}.1", entry[1]))
    for number in (0, 2):
        parts.append(residual_shapes(f"middle_block.{number}", 1024, 1024))
    parts.append(attention_shapes("middle_block.1", 1024))
    for number, entry in UP.items():
        name = f"output_blocks.{number}"
        parts.append(residual_shapes(f"{name}.0", *entry[:2]))
        if entry[2]:
            parts.append(attention_shapes(f"{name}.1", entry[1]))
        if len(entry) == 4:
            place = 2 if entry[2] else 1
            parts.append(residual_shapes(f"{name}.{place}", entry[1], entry[1]))
    return table | dict(itertools.chain.from_iterable(parts))


def test_full_size_has_the_published_names_shapes_and_parameters():
    expected = published_table()
    assert small.published_shapes(noise_predictor_file.ADM_256) == expected
    # By arithmetic over the table above; the number commonly reported of the published model.
    assert sum(int(np.prod(shape)) for shape in expected.values()) == 552_814_086


def test_every_problem_of_a_file_is_named():
    _, arrays = random_twin()
    arrays["extra.weight"] = arrays.pop("out.2.bias")
    arrays["out.0.bias"] = np.full(16, np.nan, np.float32)
    arrays["out.0.weight"] = np.zeros(3, np.float32)
    with pytest.raises(ValueError, match=r"(?s)weights\.pt does not fit.*4 problems") as caught:
        noise_predictor_file.load_unet(arrays, SMALL, "weights.pt")
    message = str(caught.value)
    assert "extra.weight: no such parameter" in message
    assert "out.2.bias: missing" in message
    assert "out.0.bias: expected finite" in message
    assert "out.0.weight: shape (3,), expected (16,)" in message


def test_a_file_says_what_it_is_of(tmp_path):
    _, arrays = random_twin()
    predictor = NoisePredictor(noise_predictor_file.load_unet(arrays, SMALL), "cosine", 400, 32)
    save_noise_predictor(predictor, tmp_path / "noise_predictor.safetensors")
    again = load_noise_predictor(tmp_path)  # a run's directory
    assert (again.schedule, again.steps, again.image_size) == ("cosine", 400, 32)
    assert again.unet.shape == SMALL
    assert again.stride == 2
    content = (tmp_path / "noise_predictor.safetensors").read_bytes()
    assert again.sha256 == hashlib.sha256(content).hexdigest()
    for name, array in noise_predictor_file.published_arrays(again.unet).items():
        np.testing.assert_array_equal(array, arrays[name])


def test_a_file_without_a_description_is_taken_for_the_published_one(tmp_path):
    torch.save({"out.2.bias": torch.zeros(6)}, tmp_path / "256x256_diffusion_uncond.pt")
    with pytest.raises(ValueError, match=r"256 channels x \(1, 1, 2, 2, 4, 4\)"):
        load_noise_predictor(tmp_path / "256x256_diffusion_uncond.pt")
    with pytest.raises(ValueError, match="holds no noise_predictor"):
        load_noise_predictor(tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"channels": 20}, "multiple of the 8 groups"),
        ({"attention": (2,), "head_channels": 24}, "divides 32"),
        ({"head_channels": 24}, "middle attention"),
        ({"blocks": 0}, "at least 1"),
    ],
)
def test_layers_that_would_not_fit_are_refused(settings, message):
    given = {"channels": 16, "multipliers": (1, 2), "blocks": 1, "groups": 8, "head_channels": 8}
    with pytest.raises(ValueError, match=message):
        unet.UNetShape(**(given | settings))
