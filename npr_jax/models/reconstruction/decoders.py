"""The decoders that photographs are reconstructed by, by name."""

import dataclasses

import jax
import numpy as np
from flax import nnx

from input_pipeline.errors import UserError
from npr_jax.models.reconstruction.autoencoder import Autoencoder, AutoencoderShape
from npr_jax.models.reconstruction.denoiser import Denoiser, DenoiserShape


@dataclasses.dataclass(frozen=True)
class DecoderSpec:
    """One decoder: what it stands for, its network and the seed of its first weights."""

    summary: str  # which generators up-sample like this, in one line
    shape: AutoencoderShape | DenoiserShape
    seed: int

    def network(self) -> Autoencoder | Denoiser:
        """The network with its first weights, as fitting begins with it."""
        rng = np.random.default_rng(self.seed)
        if isinstance(self.shape, DenoiserShape):
            return Denoiser(self.shape, rng=rng)
        return Autoencoder(self.shape, rng=rng)


def _at_eighth(latent: int) -> AutoencoderShape:
    return AutoencoderShape("nearest", (2, 2, 2), latent, 24, "vae")


def _at_quarter(upsampling: str, width: int) -> AutoencoderShape:
    return AutoencoderShape(upsampling, (2, 2), 12, width)


_VAE4 = "VAE with 4 latent channels at 1/8, nearest x2 + convolution (Stable Diffusion 1, 2, XL)"
_VAE16 = "VAE with 16 latent channels at 1/8, nearest x2 + convolution (SD 3, FLUX)"
_NEAREST = "twice nearest x2 + convolution (ProGAN, BigGAN)"
_FIR = "twice x2 with the FIR 1, 3, 3, 1 + convolution (StyleGAN2, bilinear)"
_TRANSPOSED3 = "twice transposed 3x3 convolution (CycleGAN, StarGAN)"
_TRANSPOSED4 = "twice transposed 4x4 convolution (DCGAN, pix2pix)"
_SHUFFLE4 = "pixel shuffle x4 that gives the picture at once (transformers' patches)"

DECODERS: dict[str, DecoderSpec] = {
    "vae16": DecoderSpec(_VAE16, _at_eighth(16), 1),
    "vae4": DecoderSpec(_VAE4, _at_eighth(4), 2),
    "vq4": DecoderSpec(
        "quantised latent at 1/4, nearest x2 + convolution (VQGAN, VQ-Diffusion, LDM)",
        AutoencoderShape("nearest", (2, 2), 8, 24, "quantised"),
        3,
    ),
    "transposed4": DecoderSpec(_TRANSPOSED4, _at_quarter("transposed4", 24), 4),
    "fir": DecoderSpec(_FIR, _at_quarter("fir", 24), 5),
    "shuffle2": DecoderSpec(
        "twice pixel shuffle x2 + convolutions (super-resolution, patches refined)",
        _at_quarter("shuffle", 24),
        6,
    ),
    "unet": DecoderSpec(
        "U-Net with a skip at full size that removes noise (DDPM, ADM, pixel diffusion)",
        DenoiserShape("nearest", 24, 20.0),
        7,
    ),
    "nearest": DecoderSpec(_NEAREST, _at_quarter("nearest", 24), 8),
    "transposed3": DecoderSpec(_TRANSPOSED3, _at_quarter("transposed3", 24), 9),
    "shuffle4": DecoderSpec(
        _SHUFFLE4, AutoencoderShape("shuffle", (4,), 12, 24, direct=True), 10
    ),
    "fir_narrow": DecoderSpec(_FIR, _at_quarter("fir", 16), 11),
    "transposed4_narrow": DecoderSpec(_TRANSPOSED4, _at_quarter("transposed4", 16), 12),
    "unet_transposed": DecoderSpec(
        "U-Net with a skip at full size and transposed 4x4 convolutions",
        DenoiserShape("transposed4", 16, 12.0),
        13,
    ),
}  # fmt: skip


def find_decoder(name: str) -> DecoderSpec:
    """The decoder of a name; ``UserError`` where there is none."""
    if name not in DECODERS:
        raise UserError(f"unknown decoder {name!r}; the decoders are {', '.join(DECODERS)}")
    return DECODERS[name]


def reconstruct(
    graphdef: nnx.GraphDef, params: nnx.State, pictures: jax.Array, key: jax.Array
) -> jax.Array:
    """Reconstructions of 8-bit pictures, uint8 ``[b, h, w, 3]`` to the same.

    Sides are multiples of the decoder's stride. ``key`` is for the noise that a denoiser removes;
    autoencoders take the mean of their latent.
    """
    network = nnx.merge(graphdef, params)
    x = pictures.astype("float32") / 127.5 - 1
    y, _ = network(x, key) if isinstance(network, Denoiser) else network(x)
    return ((y + 1) * 127.5 + 0.5).clip(0, 255).astype("uint8")
