"""FreqNet: high frequencies and convolved spectra between a network's layers, one logit.

Tan et al., "Frequency-Aware Deepfake Detection", AAAI 2024.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from npr_jax.models import derivatives, fourier, layers
from npr_jax.models.base import Grid, Prediction
from npr_jax.models.resnet import Bottleneck
from npr_jax.residuals.front_end import rgb_front_end

EXPANSION = 4  # of a bottleneck block's channels
BLOCKS = (3, 4)  # in the two stages


class FrequencyLayer(nnx.Module):
    """hfWH -> 1x1 convolution with bias, ReLU -> hfC (``across_channels``) -> FCL."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        stride: int,
        *,
        across_channels: bool,
        dtype,
        rngs: nnx.Rngs,
    ):
        self.stride = stride
        self.across_channels = across_channels
        self.conv = layers.Pointwise(channels_in, channels_out, dtype=dtype, rngs=rngs)
        self.bias = nnx.Param(jnp.zeros(channels_out, jnp.float32))
        self.real = layers.Pointwise(channels_out, channels_out, dtype=dtype, rngs=rngs)
        self.imaginary = layers.Pointwise(channels_out, channels_out, dtype=dtype, rngs=rngs)
        self.dtype = dtype

    def __call__(self, x: jax.Array) -> jax.Array:
        """``[b, h, w, channels_in]`` to ``[b, h / stride, w / stride, channels_out]``.

        Sizes are rounded up.
        """
        x = fourier.high_frequencies(x)[:, :: self.stride, :: self.stride]
        x = derivatives.relu(self.conv(x) + self.bias[...].astype(self.dtype))
        if self.across_channels:
            x = fourier.high_channel_frequencies(x)
        real, imaginary = (
            layer.kernel[...].astype(self.dtype) for layer in (self.real, self.imaginary)
        )
        return fourier.convolve_spectrum(x, real, imaginary)


class FreqNet(nnx.Module):
    """1,850,433 parameters at the published width of 64.

    The transforms see the whole image: a padded or cut image would have another spectrum.
    What the paper leaves open: 1x1 convolutions start as NPR's (Kaiming normal over the
    fan-out), their biases at zero.
    """

    whole = True
    scales = ()

    def __init__(self, *, width: int = 64, dtype=jnp.float32, rngs: nnx.Rngs):
        """Args:
        width: channels of the first layer; the last has eight times as many.
        dtype: of the arithmetic outside the transforms, which are float32.
        rngs: the stream ``params`` draws the initial weights.
        """
        self.front_ends = (rgb_front_end(),)
        # A whole image has no reach to plan tiles with: every position sees all pixels.
        self.grids = (Grid(stride=16, reach=0),)
        middle = EXPANSION * width
        sizes = ((3, width, 1), (width, width, 2), (middle, middle, 1), (middle, middle, 2))
        self.frequency = nnx.List(
            [
                FrequencyLayer(*size, across_channels=index < 2, dtype=dtype, rngs=rngs)
                for index, size in enumerate(sizes)
            ]
        )
        self.stages = nnx.List(
            [
                _stage(width, width, BLOCKS[0], 1, dtype=dtype, rngs=rngs),
                _stage(middle, 2 * width, BLOCKS[1], 2, dtype=dtype, rngs=rngs),
            ]
        )
        self.classifier = layers.torch_linear(2 * middle, 1, rngs=rngs)

    def feature_maps(
        self, views: list[jax.Array], mask: jax.Array | None, examples: jax.Array | None
    ) -> list[jax.Array]:
        """See ``npr_jax.models.base.Model``; there is never a mask."""
        del mask
        x = self.frequency[1](self.frequency[0](views[0]))
        x = self._through(self.stages[0], derivatives.max_pool_3x3(x), examples)
        x = self.frequency[3](self.frequency[2](x))
        return [self._through(self.stages[1], x, examples)]

    @staticmethod
    def _through(stage: nnx.List, x: jax.Array, examples: jax.Array | None) -> jax.Array:
        for block in stage:
            x, _ = block(x, None, examples)
        return x

    def head(self, features: list[jax.Array]) -> Prediction:
        """See ``npr_jax.models.base.Model``."""
        return Prediction(self.classifier(features[0])[:, 0], None)


def _stage(channels_in: int, channels: int, blocks: int, stride: int, *, dtype, rngs) -> nnx.List:
    first = Bottleneck(channels_in, channels, stride, dtype=dtype, rngs=rngs)
    others = (
        Bottleneck(EXPANSION * channels, channels, 1, dtype=dtype, rngs=rngs)
        for _ in range(blocks - 1)
    )
    return nnx.List([first, *others])
