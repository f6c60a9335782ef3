"""A U-Net with skips at every size, the full one included, that removes noise as diffusion does."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from npr_jax.models.reconstruction.layers import Convolution, ResidualBlock
from npr_jax.models.reconstruction.upsampling import Upsampling


@dataclasses.dataclass(frozen=True)
class DenoiserShape:
    """What a denoiser is made of."""

    upsampling: str  # one of `upsampling.KINDS`
    width: int  # channels at half the full size; half of that at full size, twice below
    noise: float  # standard deviation of what it removes, in 8-bit levels

    stride = 4  # height and width of pictures must be multiples of this


class Denoiser(nnx.Module):
    """Adds white noise to pictures and removes it again."""

    def __init__(self, shape: DenoiserShape, *, rng: np.random.Generator):
        self.shape = shape
        full, half, quarter = shape.width // 2, shape.width, 2 * shape.width
        self.into = Convolution(3, full, rng=rng)
        self.down1 = Convolution(full, half, rng=rng)
        self.down2 = Convolution(half, quarter, rng=rng)
        self.middle = ResidualBlock(quarter, rng=rng)
        self.up2 = Upsampling(shape.upsampling, quarter, half, rng=rng)
        self.join2 = Convolution(2 * half, half, rng=rng)
        self.up1 = Upsampling(shape.upsampling, half, full, rng=rng)
        self.join1 = Convolution(2 * full, full, rng=rng)
        self.out = Convolution(full, 3, gain=0.5, rng=rng)

    def __call__(self, x: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Pictures ``[b, h, w, 3]`` in [-1, 1] to the same and 0, as ``Autoencoder`` gives."""
        x += self.shape.noise / 127.5 * jax.random.normal(key, x.shape)
        full = nnx.silu(self.into(x))
        half = nnx.silu(self.down1(_halved(full)))
        y = self.middle(nnx.silu(self.down2(_halved(half))))
        y = self.join2(jnp.concatenate([nnx.silu(self.up2(nnx.silu(y))), half], axis=-1))
        y = self.join1(jnp.concatenate([nnx.silu(self.up1(nnx.silu(y))), full], axis=-1))
        return self.out(nnx.silu(y)), jnp.zeros(())


def _halved(x: jax.Array) -> jax.Array:
    """Means of 2x2 pixels."""
    b, h, w, c = x.shape
    return x.reshape(b, h // 2, 2, w // 2, 2, c).mean((2, 4))
