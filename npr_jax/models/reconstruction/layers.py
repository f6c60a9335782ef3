"""The layers that the reconstructing networks share besides their up-sampling."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax


def convolve(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """``[b, h, w, i]`` with an odd, square kernel ``[k, k, i, o]``; zeros beyond the edges."""
    return lax.conv_general_dilated(
        x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def normal_weights(rng: np.random.Generator, shape: tuple[int, ...], deviation: float) -> jax.Array:
    """Normal numbers, float32; drawn by NumPy, for JAX compiles a program for every shape."""
    return jnp.asarray(deviation * rng.standard_normal(shape), jnp.float32)


def mostly_passing(
    rng: np.random.Generator, shape: tuple[int, ...], deviation: float, gain: float
) -> jax.Array:
    """Half as much at random, and a map of orthogonal rows or columns at the kernel's centre."""
    kernel = 0.5 * deviation * rng.standard_normal(shape)
    large, small = max(shape[2:]), min(shape[2:])
    rows = np.linalg.qr(rng.standard_normal((large, small)))[0]
    kernel[shape[0] // 2, shape[1] // 2] += gain * (rows if shape[2] == large else rows.T)
    return jnp.asarray(kernel, jnp.float32)


class Convolution(nnx.Module):
    """Convolution with bias and an odd, square kernel, zeros beyond the edges."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        size: int = 3,
        *,
        gain: float = 1,
        rng: np.random.Generator,
    ):
        """``gain`` multiplies Kaiming's standard deviation of the initial kernel."""
        deviation = gain * math.sqrt(2 / (size**2 * channels_in))
        shape = (size, size, channels_in, channels_out)
        self.kernel = nnx.Param(mostly_passing(rng, shape, deviation, gain))
        self.bias = nnx.Param(jnp.zeros(channels_out))

    def __call__(self, x: jax.Array) -> jax.Array:
        """``[b, h, w, channels_in]`` to ``[b, h, w, channels_out]``."""
        return convolve(x, self.kernel[...]) + self.bias[...]


class ResidualBlock(nnx.Module):
    """Two 3x3 convolutions behind SiLU, added to the input."""

    def __init__(self, channels: int, *, rng: np.random.Generator):
        self.first = Convolution(channels, channels, rng=rng)
        self.second = Convolution(channels, channels, gain=0.2, rng=rng)

    def __call__(self, x: jax.Array) -> jax.Array:
        """``[b, h, w, channels]`` to the same."""
        return x + self.second(nnx.silu(self.first(nnx.silu(x))))
