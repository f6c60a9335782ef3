"""ResNets that can be cut after any stage and that keep padding out of their features.

He et al., CVPR 2016, in torchvision's form (the stride of a bottleneck sits on its 3x3),
with torchvision's 7x7 stem or the NPR paper's: a 3x3 convolution, of stride 2 as well.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
from flax import nnx
from jax import lax

from npr_jax.models import derivatives, layers
from npr_jax.models.base import Grid, Mask


@dataclasses.dataclass(frozen=True)
class ResNetShape:
    """Which blocks a ResNet stacks."""

    stages: tuple[tuple[int, int], ...]  # ``(channels, blocks)`` of each
    bottleneck: bool  # whether blocks are bottlenecks, which give four times their channels
    width: int = 64  # channels of the stem
    stem: int = 3  # pixels, height and width of the stem's kernel, 3 or 7
    pool: bool = True  # whether a max-pool of stride 2 follows the stem
    strides: tuple[int, ...] = (1, 2, 2, 2)  # of each stage's first block

    @property
    def features(self) -> int:
        """Channels of the last feature map."""
        return self.stages[-1][0] * (4 if self.bottleneck else 1)

    @property
    def stride(self) -> int:
        """Input pixels between two neighbours of the last feature map."""
        return (4 if self.pool else 2) * math.prod(self.strides[: len(self.stages)])

    @property
    def reach(self) -> int:
        """Input pixels on each side of a feature's own position that can influence it."""
        # The stem's kernel at stride 1, the pool's 3x3 at stride 2.
        reach, stride = self.stem // 2 + (2 if self.pool else 0), 4 if self.pool else 2
        for (_, blocks), first in zip(self.stages, self.strides, strict=False):
            for block in range(blocks):
                reach += stride
                stride *= first if block == 0 else 1
                reach += 0 if self.bottleneck else stride
        return reach

    @property
    def grid(self) -> Grid:
        """Where the last feature map's positions lie."""
        return Grid(stride=self.stride, reach=self.reach)


CUT_RESNET50 = ResNetShape(stages=((64, 3), (128, 4)), bottleneck=True)
RESNET50 = ResNetShape(stages=((64, 3), (128, 4), (256, 6), (512, 3)), bottleneck=True)
TORCHVISION_RESNET50 = dataclasses.replace(RESNET50, stem=7)
LIGHT_RESNET = ResNetShape(stages=((64, 2), (128, 2)), bottleneck=False)
THIN_RESNET = ResNetShape(stages=((16, 1), (32, 1)), bottleneck=False, width=16)
# Half NPR's arithmetic per image, and a field of 95 pixels instead of 87.
DEEP_RESNET = ResNetShape(
    stages=((32, 1), (64, 1), (128, 1), (256, 1)), bottleneck=False, width=32, pool=False
)
# The same with four times the parameters.
WIDE_RESNET = ResNetShape(
    stages=((64, 1), (128, 1), (256, 1), (512, 1)), bottleneck=False, width=64, pool=False
)
# A field of 39 pixels: too little to see what a picture shows.
SHALLOW_RESNET = ResNetShape(
    stages=((24, 1), (48, 1), (96, 1)),
    bottleneck=False,
    width=24,
    pool=False,
    strides=(1, 2, 1),
)
BACKBONES = {
    "cut_resnet50": CUT_RESNET50,
    "deep_resnet": DEEP_RESNET,
    "light_resnet": LIGHT_RESNET,
    "resnet50": RESNET50,
    "shallow_resnet": SHALLOW_RESNET,
    "thin_resnet": THIN_RESNET,
    "torchvision_resnet50": TORCHVISION_RESNET50,
    "wide_resnet": WIDE_RESNET,
}


class Bottleneck(nnx.Module):
    """1x1 reduce, 3x3, 1x1 expand by four, added to the (projected) input."""

    def __init__(self, channels_in: int, channels: int, stride: int, *, dtype, rngs):
        channels_out = 4 * channels
        self.stride = stride
        self.conv1 = layers.Pointwise(channels_in, channels, dtype=dtype, rngs=rngs)
        self.bn1 = layers.BatchNorm(channels, dtype=dtype, rngs=rngs)
        self.conv2 = layers.Convolution(channels, channels, stride, dtype=dtype, rngs=rngs)
        self.bn2 = layers.BatchNorm(channels, dtype=dtype, rngs=rngs)
        self.conv3 = layers.Pointwise(channels, channels_out, dtype=dtype, rngs=rngs)
        self.bn3 = layers.BatchNorm(channels_out, dtype=dtype, rngs=rngs)
        self.projection = _projection(channels_in, channels_out, stride, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array, mask: jax.Array | None, examples: jax.Array | None):
        """Feature maps after the block, and the mask at their size."""
        shortcut = _shortcut(self.projection, x, self.stride, examples)
        y = layers.keep(derivatives.relu(self.bn1(self.conv1(x), examples)), mask)
        mask = layers.halve(mask) if self.stride == 2 else mask
        y = layers.keep(derivatives.relu(self.bn2(self.conv2(y), examples)), mask)
        y = self.bn3(self.conv3(y), examples)
        return layers.keep(derivatives.relu(y + shortcut), mask), mask


class BasicBlock(nnx.Module):
    """Two 3x3 convolutions, added to the (projected) input."""

    def __init__(self, channels_in: int, channels: int, stride: int, *, dtype, rngs):
        self.stride = stride
        self.conv1 = layers.Convolution(channels_in, channels, stride, dtype=dtype, rngs=rngs)
        self.bn1 = layers.BatchNorm(channels, dtype=dtype, rngs=rngs)
        self.conv2 = layers.Convolution(channels, channels, 1, dtype=dtype, rngs=rngs)
        self.bn2 = layers.BatchNorm(channels, dtype=dtype, rngs=rngs)
        self.projection = _projection(channels_in, channels, stride, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array, mask: jax.Array | None, examples: jax.Array | None):
        """Feature maps after the block, and the mask at their size."""
        shortcut = _shortcut(self.projection, x, self.stride, examples)
        mask = layers.halve(mask) if self.stride == 2 else mask
        y = layers.keep(derivatives.relu(self.bn1(self.conv1(x), examples)), mask)
        y = self.bn2(self.conv2(y), examples)
        return layers.keep(derivatives.relu(y + shortcut), mask), mask


class Projection(nnx.Module):
    """The shortcut where shapes differ: strided 1x1 convolution and normalisation."""

    def __init__(self, channels_in: int, channels_out: int, *, dtype, rngs):
        self.conv = layers.Pointwise(channels_in, channels_out, dtype=dtype, rngs=rngs)
        self.bn = layers.BatchNorm(channels_out, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array, examples: jax.Array | None) -> jax.Array:
        """``[b, h, w, channels_in]``, strided already, to ``[b, h, w, channels_out]``."""
        return self.bn(self.conv(x), examples)


def _projection(channels_in: int, channels_out: int, stride: int, *, dtype, rngs):
    if stride == 1 and channels_in == channels_out:
        return None
    return Projection(channels_in, channels_out, dtype=dtype, rngs=rngs)


def _shortcut(projection, x, stride, examples):
    if projection is None:
        return x
    # Not by an index: of a size that is a symbol (export), only this has the convolution's size.
    strided = lax.slice(x, (0, 0, 0, 0), x.shape, (1, stride, stride, 1))
    return projection(strided, examples)


class ResNet(nnx.Module):
    """Stem and stages: float ``[b, h, w, channels]`` to maps ``[b, h/s, w/s, features]``.

    Map sizes are rounded up; ``s`` is ``shape.stride``. ``channels`` is 3 unless said otherwise.
    """

    def __init__(self, shape: ResNetShape, *, channels: int = 3, dtype=jnp.float32, rngs: nnx.Rngs):
        self.shape = shape
        self.conv1 = layers.Convolution(
            channels, shape.width, 2, size=shape.stem, dtype=dtype, rngs=rngs
        )
        self.bn1 = layers.BatchNorm(shape.width, dtype=dtype, rngs=rngs)
        block_type = Bottleneck if shape.bottleneck else BasicBlock
        stages, channels_in = [], shape.width
        for (width, blocks), first in zip(shape.stages, shape.strides, strict=False):
            stage = []
            for block in range(blocks):
                stride = first if block == 0 else 1
                stage.append(block_type(channels_in, width, stride, dtype=dtype, rngs=rngs))
                channels_in = width * (4 if shape.bottleneck else 1)
            stages.append(nnx.List(stage))
        self.stages = nnx.List(stages)

    def __call__(self, x: jax.Array, mask: Mask = None, examples: Mask = None) -> jax.Array:
        """Feature maps of float ``[b, h, w, channels]``; see ``layers`` for the mask and
        examples."""
        mask = layers.halve(mask)
        x = layers.keep(derivatives.relu(self.bn1(self.conv1(x), examples)), mask)
        if self.shape.pool:
            mask = layers.halve(mask)
            x = layers.keep(derivatives.max_pool_3x3(x), mask)
        for stage in self.stages:
            for block in stage:
                x, mask = block(x, mask, examples)
        return x
