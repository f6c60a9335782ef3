"""Autoencoders: a photograph to a small latent and back, at one way of up-sampling."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from npr_jax.models.reconstruction.layers import Convolution, ResidualBlock
from npr_jax.models.reconstruction.upsampling import Upsampling, to_channels

BOTTLENECKS = ("plain", "vae", "quantised")
_LEVELS = 16  # of each channel of a quantised latent
_LATENT_SCALE = 0.5  # the latent's standard deviation is then about 1
_QUANTISED_SCALE = 0.3  # a smaller one, most of which lies within the levels


@dataclasses.dataclass(frozen=True)
class AutoencoderShape:
    """What an autoencoder is made of."""

    upsampling: str  # one of `upsampling.KINDS`
    factors: tuple[int, ...]  # of the up-sampling layers, from the latent to the picture
    latent: int  # channels of the latent
    width: int  # channels at half the full size; half of that at full size, twice below
    bottleneck: str = "plain"  # one of `BOTTLENECKS`
    direct: bool = False  # whether the last up-sampling gives the picture, no layer behind it

    @property
    def stride(self) -> int:
        """Height and width of pictures must be multiples of this."""
        return math.prod(self.factors)

    def channels(self, reduction: int) -> int:
        """Channels of a feature map that many times smaller than the picture."""
        return {1: self.width // 2, 2: self.width}.get(reduction, 2 * self.width)


class Blocks(nnx.Module):
    """Blocks of pixels to channels by a linear map that begins as the cosines of lowest frequency.

    These hold most of a photograph, so that fitting begins with a latent that is worth decoding.
    """

    def __init__(self, side: int, channels: int):
        """``side`` of a block in pixels; ``channels`` at most ``3 * side**2``."""
        self.side = side
        self.kernel = nnx.Param(jnp.asarray(_cosines(side)[:, :channels], jnp.float32))

    def __call__(self, x: jax.Array) -> jax.Array:
        """``[b, h, w, 3]`` to ``[b, h / side, w / side, channels]``."""
        return to_channels(x, self.side) @ self.kernel[...]


def _cosines(side: int) -> np.ndarray:
    """Orthonormal columns, ``[3 * side**2, 3 * side**2]``: by frequency, colours at half of it."""
    place, frequency = np.arange(side) + 0.5, np.arange(side)
    waves = np.cos(np.pi / side * place[:, None] * frequency) * math.sqrt(2 / side)
    waves[:, 0] /= math.sqrt(2)
    colours = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])
    columns = np.einsum("yu,xv,kc->yxcuvk", waves, waves, colours)
    # A colour difference holds about as much as brightness at twice its frequency.
    rank = frequency[:, None, None] + frequency[None, :, None] + np.array([0, 0.5, 0.5])
    rank = rank * np.array([1, 2, 2]) + np.array([0, 0.5, 0.6])
    order = np.argsort(rank.ravel(), kind="stable")
    return columns.reshape(3 * side**2, -1)[:, order]


class Latent(nnx.Module):
    """What the latent is put through: nothing, a variational sample, or rounding.

    A variational one (Kingma and Welling, arXiv 1312.6114) is a mean and a log-variance; a
    quantised one is rounded to 16 levels per channel (Mentzer et al., arXiv 2309.15505), a vector
    quantisation whose codebook is the grid.
    """

    def __init__(self, kind: str, channels_in: int, channels: int, *, rng: np.random.Generator):
        self.kind = kind
        outputs = 2 * channels if kind == "vae" else channels
        # A random rotation of the first channels, which hold the lowest frequencies.
        rotation = np.linalg.qr(rng.standard_normal((channels, channels)))[0]
        kernel = np.zeros((channels_in, outputs), np.float32)
        scale = _QUANTISED_SCALE if kind == "quantised" else _LATENT_SCALE
        kernel[:channels, :channels] = scale * rotation
        self.kernel = nnx.Param(jnp.asarray(kernel))
        self.bias = nnx.Param(jnp.zeros(outputs))

    def __call__(self, x: jax.Array, key: jax.Array | None = None) -> tuple[jax.Array, jax.Array]:
        """The latent, and its divergence from a standard normal one per number (0 but for vae).

        Without a ``key`` a variational latent is its mean.
        """
        x = x @ self.kernel[...] + self.bias[...]
        if self.kind == "quantised":
            half = (_LEVELS - 1) / 2
            scaled = half * jnp.tanh(x)
            # Half levels are rounded, so that there is an even number; gradients pass as if not.
            rounded = jnp.floor(scaled) + 0.5
            return (scaled + jax.lax.stop_gradient(rounded - scaled)) / half, jnp.zeros(())
        if self.kind == "plain":
            return x, jnp.zeros(())
        mean, log_variance = jnp.split(x, 2, axis=-1)
        log_variance = jnp.clip(log_variance - 4, -12, 2)
        divergence = 0.5 * jnp.mean(mean**2 + jnp.exp(log_variance) - 1 - log_variance)
        if key is not None:
            mean += jnp.exp(log_variance / 2) * jax.random.normal(key, mean.shape)
        return mean, divergence


class Autoencoder(nnx.Module):
    """An encoder of pixel blocks, and a decoder that up-samples layer by layer."""

    def __init__(self, shape: AutoencoderShape, *, rng: np.random.Generator):
        self.shape = shape
        now, reduction = shape.channels(shape.stride), shape.stride
        # The encoder leaves no trace in the picture: it may go to the latent's size at once.
        self.blocks = Blocks(shape.stride, now)
        self.encoder = nnx.List([ResidualBlock(now, rng=rng) for _ in range(2)])
        self.latent = Latent(shape.bottleneck, now, shape.latent, rng=rng)
        self.start = Convolution(shape.latent, now, rng=rng)
        layers = [ResidualBlock(now, rng=rng)]
        for factor in shape.factors:
            reduction //= factor
            width = 3 if shape.direct and reduction == 1 else shape.channels(reduction)
            layers.append(Upsampling(shape.upsampling, now, width, factor, rng=rng))
            now = width
            if reduction > 1:
                layers.append(ResidualBlock(now, rng=rng))
        self.decoder = nnx.List(layers)
        self.finish = nnx.List([])
        if not shape.direct:
            self.finish = nnx.List(
                [Convolution(now, now, rng=rng), Convolution(now, 3, gain=0.5, rng=rng)]
            )

    def encode(self, x: jax.Array, key: jax.Array | None = None) -> tuple[jax.Array, jax.Array]:
        """Pictures ``[b, h, w, 3]`` in [-1, 1] to what ``Latent`` returns of them."""
        x = self.blocks(x)
        for block in self.encoder:
            x = block(x)
        return self.latent(x, key)

    def decode(self, latent: jax.Array) -> jax.Array:
        """``[b, h, w, latent]`` to pictures ``stride`` times larger, about [-1, 1]."""
        x = self.start(latent)
        for layer in self.decoder:
            x = layer(nnx.silu(x) if isinstance(layer, Upsampling) else x)
        for layer in self.finish:
            x = layer(nnx.silu(x))
        return x

    def __call__(self, x: jax.Array, key: jax.Array | None = None) -> tuple[jax.Array, jax.Array]:
        """Pictures to their reconstructions, and the divergence of their latent."""
        latent, divergence = self.encode(x, key)
        return self.decode(latent), divergence
