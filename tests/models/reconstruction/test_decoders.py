"""The decoders: what they are made of, and that their shipped weights fit."""

import jax
import numpy as np
import pytest
import safetensors.numpy
from flax import nnx

from input_pipeline.errors import UserError
from npr_jax.models.reconstruction import fitted
from npr_jax.models.reconstruction.autoencoder import Autoencoder, AutoencoderShape
from npr_jax.models.reconstruction.decoders import DECODERS, reconstruct
from npr_jax.models.reconstruction.denoiser import Denoiser, DenoiserShape

RNG = np.random.default_rng(0)


def test_every_way_of_up_sampling_is_among_them():
    autoencoders = [s.shape for s in DECODERS.values() if isinstance(s.shape, AutoencoderShape)]
    denoisers = [s.shape for s in DECODERS.values() if isinstance(s.shape, DenoiserShape)]
    assert {(s.bottleneck, s.stride, s.latent) for s in autoencoders} >= {
        ("vae", 8, 4), ("vae", 8, 16), ("quantised", 4, 8),
    }  # fmt: skip
    assert {s.upsampling for s in autoencoders} == {
        "nearest", "fir", "transposed3", "transposed4", "shuffle",
    }  # fmt: skip
    assert {s.factors for s in autoencoders if s.upsampling == "shuffle"} == {(2, 2), (4,)}
    assert denoisers
    assert len({s.seed for s in DECODERS.values()}) == len(DECODERS)


@pytest.mark.parametrize("name", DECODERS)
def test_every_decoder_takes_pictures_whose_sides_are_multiples_of_16(name):
    graphdef, params = nnx.split(DECODERS[name].network())
    pictures = jax.ShapeDtypeStruct((1, 32, 48, 3), np.uint8)
    made = jax.eval_shape(lambda x: reconstruct(graphdef, params, x, jax.random.key(0)), pictures)
    assert (made.shape, made.dtype) == (pictures.shape, np.uint8)


@pytest.mark.parametrize(
    "shape",
    [
        AutoencoderShape("nearest", (2, 2, 2), 4, 4, "vae"),
        AutoencoderShape("transposed3", (2, 2), 6, 4, "quantised"),
        AutoencoderShape("shuffle", (4,), 5, 4, direct=True),
    ],
)
def test_latents_are_as_small_as_the_shape_says(shape):
    network = Autoencoder(shape, rng=np.random.default_rng(0))
    pictures = RNG.uniform(-1, 1, (2, 16, 24, 3)).astype(np.float32)
    latent, _ = network.encode(pictures)
    assert latent.shape == (2, 16 // shape.stride, 24 // shape.stride, shape.latent)
    assert network.decode(latent).shape == pictures.shape
    if shape.bottleneck == "quantised":
        assert len(np.unique(np.round(np.asarray(latent), 4))) <= 16
    if shape.bottleneck == "vae":
        one, two = (network.encode(pictures, jax.random.key(i))[0] for i in range(2))
        assert not np.allclose(one, two)


def test_gradients_pass_through_the_quantised_latent():
    shape = AutoencoderShape("nearest", (2, 2), 2, 4, "quantised")
    network = Autoencoder(shape, rng=np.random.default_rng(0))
    pictures = RNG.uniform(-1, 1, (1, 8, 8, 3)).astype(np.float32)
    slope = jax.grad(lambda x: network.encode(x)[0].sum())(pictures)
    assert np.abs(slope).max() > 1e-4


def test_a_denoiser_adds_noise_by_its_key_alone():
    network = Denoiser(DenoiserShape("nearest", 4, 20.0), rng=np.random.default_rng(0))
    graphdef, params = nnx.split(network)
    pictures = RNG.integers(0, 256, (1, 16, 16, 3), np.uint8)
    one, again, other = (
        reconstruct(graphdef, params, pictures, jax.random.key(k)) for k in (0, 0, 1)
    )
    assert one.dtype == np.uint8
    np.testing.assert_array_equal(one, again)
    assert np.any(one != other)


def test_weights_are_read_as_they_were_written(tmp_path):
    network = DECODERS["fir_narrow"].network()
    fitted.save_weights(tmp_path / "fir_narrow.safetensors", network)
    decoder = fitted.load_decoder("fir_narrow", tmp_path)
    pictures = RNG.integers(0, 256, (1, 16, 16, 3), np.uint8)
    ours = reconstruct(*nnx.split(network), pictures, jax.random.key(0))
    read = decoder(pictures, jax.random.key(0))
    assert np.abs(np.asarray(ours, int) - np.asarray(read, int)).max() <= 2  # float16


def test_other_weights_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"missing at .*fit_reconstruction_decoders --decoders fir"):
        fitted.load_decoder("fir", tmp_path)
    with pytest.raises(UserError, match="unknown decoder 'firr'; the decoders are vae16, vae4"):
        fitted.load_decoder("firr", tmp_path)
    path = tmp_path / "fir.safetensors"
    path.write_bytes(b"nothing")
    with pytest.raises(UserError, match="not a readable"):
        fitted.load_decoder("fir", tmp_path)
    safetensors.numpy.save_file({"a": np.zeros(3)}, path)
    with pytest.raises(UserError, match="of another network"):
        fitted.load_decoder("fir", tmp_path)


def test_the_package_ships_weights_of_every_decoder_below_4_megabytes():
    files = {path.stem: path for path in fitted.weights_directory().glob("*.safetensors")}
    assert set(files) == set(DECODERS)
    assert sum(path.stat().st_size for path in files.values()) < 4e6
    for name in DECODERS:
        fitted.load_decoder(name)
