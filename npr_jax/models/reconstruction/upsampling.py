"""Layers that enlarge a feature map, each the way some kind of generator does.

Every one of them is a linear map that repeats from pixel to pixel: for each of the positions inside
an enlarged pixel (the phases) a 3x3 convolution of the small map, whose kernel is the learned one
seen through the enlargement. So all are computed as one convolution at the small size, followed by
a pixel shuffle; what differs is which taps of the learned kernel the phases share.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from npr_jax.models.reconstruction.layers import convolve, mostly_passing, normal_weights

# Along one axis, doubled: weight [phase, neighbour -1 0 1 of the small map, tap of the kernel].
_NEAREST = np.zeros((2, 3, 3))
_NEAREST[0, [0, 1, 1], [0, 1, 2]] = _NEAREST[1, [1, 1, 2], [0, 1, 2]] = 1
_TRANSPOSED4 = np.zeros((2, 3, 4))
_TRANSPOSED4[0, [0, 1], [3, 1]] = _TRANSPOSED4[1, [1, 2], [2, 0]] = 1
_TRANSPOSED3 = _TRANSPOSED4[:, :, :3]
# The enlarged pixels -1 0 1 2 of a small pixel's surroundings, from its neighbours -1 0 1.
_FIR_ROWS = np.array([[3, 1, 0], [1, 3, 0], [0, 3, 1], [0, 1, 3]]) / 4
_FIR = np.stack([_FIR_ROWS[0:3].T, _FIR_ROWS[1:4].T])
_PHASES = {
    "nearest": _NEAREST,
    "fir": _FIR,
    "transposed3": _TRANSPOSED3,
    "transposed4": _TRANSPOSED4,
}
KINDS = (*_PHASES, "shuffle")


class Upsampling(nnx.Module):
    """Enlarges by 2 or, by pixel shuffle only, any whole factor; biased, zeros beyond the edges.

    The kinds: ``nearest`` repeats pixels, ``fir`` interpolates with (1, 3, 3, 1) / 4, as StyleGAN2
    and bilinear interpolation do, both followed by a 3x3 convolution; ``transposed3`` and
    ``transposed4`` are convolutions with stride 2 transposed, with the paddings (1, output 1) of
    CycleGAN and 1 of DCGAN; ``shuffle`` is a 3x3 convolution whose channels become pixels.
    """

    def __init__(
        self,
        kind: str,
        channels_in: int,
        channels_out: int,
        factor: int = 2,
        *,
        rng: np.random.Generator,
    ):
        """``kind`` is one of ``KINDS``; ``factor`` is 2 but for ``shuffle``."""
        if kind not in KINDS or (factor != 2 and kind != "shuffle"):
            raise ValueError(f"no up-sampling {kind!r} by {factor}; the kinds are {KINDS}")
        self.kind, self.factor = kind, factor
        size, outputs, taps = 3, channels_out, 9.0
        if kind == "shuffle":
            outputs *= factor**2
        else:
            size = _PHASES[kind].shape[2]
            taps = size**2 / (4 if kind.startswith("transposed") else 1)
        shape = (size, size, channels_in, outputs)
        deviation = math.sqrt(2 / (taps * channels_in))
        if kind in ("nearest", "fir"):
            self.kernel = nnx.Param(mostly_passing(rng, shape, deviation, 1))
        else:
            self.kernel = nnx.Param(normal_weights(rng, shape, deviation))
        self.bias = nnx.Param(jnp.zeros(channels_out))

    def __call__(self, x: jax.Array) -> jax.Array:
        """``[b, h, w, channels_in]`` to ``[b, factor * h, factor * w, channels_out]``."""
        kernel = self.kernel[...]
        if self.kind != "shuffle":
            phases = jnp.asarray(_PHASES[self.kind], kernel.dtype)
            kernel = jnp.einsum("adk,bel,klio->deiabo", phases, phases, kernel)
            kernel = kernel.reshape(3, 3, x.shape[-1], -1)
        return to_pixels(convolve(x, kernel), self.factor) + self.bias[...]


def to_pixels(x: jax.Array, factor: int) -> jax.Array:
    """``[b, h, w, factor * factor * c]`` to ``[b, factor * h, factor * w, c]``: pixel shuffle."""
    b, h, w, channels = x.shape
    c = channels // factor**2
    x = x.reshape(b, h, w, factor, factor, c).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(b, factor * h, factor * w, c)


def to_channels(x: jax.Array, factor: int) -> jax.Array:
    """The inverse of ``to_pixels``."""
    b, h, w, c = x.shape
    x = x.reshape(b, h // factor, factor, w // factor, factor, c).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(b, h // factor, w // factor, factor**2 * c)
