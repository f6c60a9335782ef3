"""The layers all our networks share, with torch's conventions where Flax differs.

Images and feature maps are NHWC. ``mask`` arguments are float ``[b, h, w, 1]`` maps that are
1 on the image and 0 on padding; multiplying by them after every normalised activation is
what makes a padded image score as if it were alone.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from npr_jax.models import derivatives

# Kaiming-normal over the fan-out, as the published model initialises its convolutions.
kaiming_normal = nnx.initializers.variance_scaling(2.0, "fan_out", "normal")


class Convolution(nnx.Module):
    """Convolution without bias; 3x3 and padded by one pixel on every side if nothing else is said.

    The padding is explicit: at stride 2 Flax's SAME pads the far side only, torch both.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        stride: int,
        *,
        size: int = 3,
        padding: int | None = None,
        dtype,
        rngs,
    ):
        """``size``: pixels, height and width of the kernel, odd.

        ``padding``: pixels of zeros on every side; None: ``size // 2``. ``dtype`` is of the
        arithmetic; the kernel is float32.
        """
        shape = (size, size, channels_in, channels_out)
        self.kernel = nnx.Param(kaiming_normal(rngs.params(), shape, jnp.float32))
        self.stride = stride
        self.padding = size // 2 if padding is None else padding
        self.dtype = dtype

    def __call__(self, x: jax.Array) -> jax.Array:
        """``[b, h, w, channels_in]`` to ``[b, rows, columns, channels_out]``.

        ``rows = (h + 2 padding - size) // stride + 1``: padded by ``size // 2``, ``h / stride``
        rounded up.
        """
        kernel = self.kernel[...].astype(self.dtype)
        x = x.astype(self.dtype)
        if kernel.shape[0] == 3:
            return derivatives.convolution(x, kernel, self.stride, self.padding)
        # The derivative by hand pays for 3x3 kernels only: of 7x7 on three channels (8 images of
        # 224x224 on two cores) XLA's own took 0.23 s, the one by taps 0.31 s.
        around = ((self.padding, self.padding),) * 2
        return lax.conv_general_dilated(
            x, kernel, (self.stride,) * 2, around, dimension_numbers=derivatives.NHWC
        )


class Pointwise(nnx.Module):
    """1x1 convolution without bias, as the matrix product it is (faster on every backend)."""

    def __init__(self, channels_in: int, channels_out: int, *, dtype, rngs):
        shape = (channels_in, channels_out)
        self.kernel = nnx.Param(kaiming_normal(rngs.params(), shape, jnp.float32))
        self.dtype = dtype

    def __call__(self, x: jax.Array) -> jax.Array:
        """``[b, h, w, channels_in]`` to ``[b, h, w, channels_out]``."""
        kernel = self.kernel[...].astype(self.dtype)
        return derivatives.convolution_1x1(x.astype(self.dtype), kernel)


def torch_linear(features_in: int, features_out: int, *, rngs) -> nnx.Linear:
    """Linear layer with torch's default initialisation; always float32 (it makes the logit)."""
    bound = features_in**-0.5

    def uniform(key, shape, dtype=jnp.float32, out_sharding=None):
        del out_sharding
        return jax.random.uniform(key, shape, dtype, -bound, bound)

    return nnx.Linear(features_in, features_out, kernel_init=uniform, bias_init=uniform, rngs=rngs)


class BatchNorm(nnx.BatchNorm):
    """Batch normalisation with torch's momentum 0.1 (Flax's 0.9) and epsilon 1e-5.

    The running variance is not torch's. It averages the variances that the batches were normalised
    with, over n numbers of a channel (images x positions), where torch keeps n / (n - 1) of them.
    Of n = 2,048, the last layer of the quick start, torch's is greater by 0.05 % after 1,000 steps;
    of NPR's recipe (32 images of 224 pixels) by 0.0003 to 0.004 %. See docs/systems.md.
    """

    def __init__(self, channels: int, *, momentum: float = 0.1, dtype, rngs):
        """``momentum`` is torch's: the share of a batch in the running statistics, in (0, 1]."""
        super().__init__(channels, momentum=1.0 - momentum, epsilon=1e-5, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array, examples: jax.Array | None = None) -> jax.Array:
        """Normalises ``[b, h, w, c]``, in training with the statistics of the batch.

        ``examples``: bool ``[b, 1, 1, 1]``, the rows that count in the statistics; None: all.
        """
        if self.use_running_average:
            factor = lax.rsqrt(self.var[...] + self.epsilon) * self.scale[...]
            return ((x - self.mean[...]) * factor + self.bias[...]).astype(self.dtype)
        weights = None if examples is None else examples.astype(jnp.float32)
        y, mean, variance = derivatives.normalize_batch(
            x.astype(self.dtype), self.scale[...], self.bias[...], weights, self.epsilon
        )
        self.mean[...] = self.momentum * self.mean[...] + (1 - self.momentum) * mean
        self.var[...] = self.momentum * self.var[...] + (1 - self.momentum) * variance
        return y


def keep(x: jax.Array, mask: jax.Array | None) -> jax.Array:
    """``x`` on the image and zero on padding; ``x`` itself where there is no mask."""
    return x if mask is None else x * mask.astype(x.dtype)


def halve(mask: jax.Array | None) -> jax.Array | None:
    """The mask after a padded stride-2 layer: output i sees the image if pixel 2i does."""
    return None if mask is None else mask[:, ::2, ::2]
