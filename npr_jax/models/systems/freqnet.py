"""FreqNet: high frequencies and convolved spectra between a network's layers, one logit.

Tan et al., "Frequency-Aware Deepfake Detection", AAAI 2024; the operations on spectra: sections 3.2
and 3.3. As published they are transform, change, inverse transform, real part, ReLU. Of real input
the real part needs less than that, which ``tests/models/test_fourier.py`` checks against the
definition:

- Zeroing frequencies keeps the mean of the mask at a frequency and at its negative: a half-sided
  real transform with that mask gives the same numbers.
- Along the channels the operation is one constant matrix.
- 1x1 convolutions A on the real and B on the imaginary parts act on the even and the odd part of
  the image: ``A (x + x')/2 + B (x - x')/2``, where x' is x turned by 180 degrees about pixel
  (0, 0), periodically. No transform is needed.
"""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from npr_jax.models import derivatives, layers
from npr_jax.models.base import Grid, Maps, Mask, Prediction
from npr_jax.models.pretrained import torch_weights
from npr_jax.models.resnet import Bottleneck
from npr_jax.models.systems.system import Published, System, integer
from npr_jax.residuals.front_end import rgb_front_end


def high_frequencies(x: jax.Array) -> jax.Array:
    """FreqNet's ``hfreqWH``: the central half of the shifted 2-D spectrum zeroed, then ReLU.

    Of an axis of n frequencies, zero at place n // 2, the places from n // 2 - n // 4 up to, but
    without, n // 2 + n // 4 are zeroed where both axes are in that range; n may be odd.
    ``[b, h, w, c]``, real and transformed in float32, to the same shape and dtype.
    """
    height, width = x.shape[1:3]
    removed = np.outer(_central_half(height), _central_half(width))
    # The mask at (-k, -l) is the one read backwards, but for frequency 0, which keeps its place.
    mirrored = np.roll(removed[::-1, ::-1], (1, 1), axis=(0, 1))
    kept = 1.0 - 0.5 * (removed + mirrored)[:, : width // 2 + 1, None]
    spectrum = jnp.fft.rfft2(x.astype(jnp.float32), axes=(1, 2), norm="ortho")
    spectrum *= kept.astype(np.float32)
    filtered = jnp.fft.irfft2(spectrum, s=(height, width), axes=(1, 2), norm="ortho")
    return derivatives.relu(filtered).astype(x.dtype)


def high_channel_frequencies(x: jax.Array) -> jax.Array:
    """FreqNet's ``hfreqC``: the same along the channels of ``[b, h, w, c]``."""
    channels = x.shape[-1]
    kept = (1.0 - _central_half(channels))[:, None]
    matrix = np.fft.ifft(kept * np.fft.fft(np.eye(channels), axis=0), axis=0).real
    product = jnp.matmul(
        x.astype(jnp.float32), matrix.T.astype(np.float32), precision=jax.lax.Precision.HIGHEST
    )
    return derivatives.relu(product).astype(x.dtype)


def convolve_spectrum(x: jax.Array, real: jax.Array, imaginary: jax.Array) -> jax.Array:
    """FreqNet's ``FCL``: 1x1 convolutions of the spectrum's real and imaginary part, then ReLU.

    ``x`` is real, ``[b, h, w, i]``, the matrices are ``[i, o]`` of its dtype; ``[b, h, w, o]``.
    """
    kernel = jnp.concatenate([real + imaginary, real - imaginary], axis=1) / 2
    straight, turned = jnp.split(derivatives.convolution_1x1(x, kernel), 2, axis=-1)
    # ``turned[-i mod h, -j mod w]`` at (i, j).
    turned = jnp.roll(turned[:, ::-1, ::-1], (1, 1), axis=(1, 2))
    return derivatives.relu(straight + turned)


def _central_half(length: int) -> np.ndarray:
    """1 at the frequencies that are zeroed, float64 ``[length]``, in the transform's order."""
    central = np.zeros(length)
    central[length // 2 - length // 4 : length // 2 + length // 4] = 1.0
    return np.fft.ifftshift(central)


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
        """``[b, h, w, channels_in]`` to
        ``[b, ceil(h / stride), ceil(w / stride), channels_out]``."""
        x = high_frequencies(x)[:, :: self.stride, :: self.stride]
        x = derivatives.relu(self.conv(x) + self.bias[...].astype(self.dtype))
        if self.across_channels:
            x = high_channel_frequencies(x)
        real, imaginary = (
            layer.kernel[...].astype(self.dtype) for layer in (self.real, self.imaginary)
        )
        return convolve_spectrum(x, real, imaginary)


class FreqNet(nnx.Module):
    """1,850,433 parameters at the published width of 64.

    The transforms see the whole image: a padded or cut image would have another spectrum.
    What the paper leaves open: 1x1 convolutions start as NPR's (Kaiming normal over the
    fan-out), their biases at zero.
    """

    whole = True
    scales = ()

    def __init__(self, *, width: int = 64, dtype=jnp.float32, rngs: nnx.Rngs):
        """``width``: channels of the first layer; the last has eight times as many.

        ``dtype`` is of the arithmetic outside the transforms, which are float32.
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

    def feature_maps(self, views: Maps, mask: Mask, examples: Mask) -> Maps:
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


SYSTEM = System(
    build=lambda config, dtype, rngs: FreqNet(width=config.width, dtype=dtype, rngs=rngs),
    rules={"width": integer(1, 1024)},
    paper="Tan et al., Frequency-Aware Deepfake Detection, AAAI 2024",
    published=Published(
        table=torch_weights.FREQNET, build=lambda rngs: FreqNet(rngs=rngs), resize=256
    ),
)
