"""A ResNet-50 whose every output sees 9x9 pixels, the body of LaDeDa.

Cavia et al., "Real-Time Deepfake Detection in the Real-World", 2024, section 3: most 3x3
convolutions of ResNet-50 are replaced by 1x1 ones and nothing is padded (the idea and the
constants are those of Brendel and Bethge's BagNet-9, ICLR 2019).

Output (i, j) is a function of the pixels ``[8 i, 8 i + 9) x [8 j, 8 j + 9)`` alone, so that
``(n - 9) // 8 + 1`` positions come of n pixels.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
from flax import nnx

from npr_jax.models import derivatives, layers
from npr_jax.models.base import Grid, Mask
from npr_jax.models.resnet import Projection


@dataclasses.dataclass(frozen=True)
class PatchShape:
    """Stages of a patch ResNet: as published, or thinner for tests and two cores."""

    width: int = 64  # channels after the stem
    # ``(channels, blocks, stride)`` each; blocks expand the channels by four
    stages: tuple[tuple[int, int, int], ...] = ((64, 3, 2), (128, 4, 2), (256, 6, 2), (512, 3, 1))
    spatial_stages: int = 2  # stages whose first block keeps its 3x3 convolution

    @property
    def features(self) -> int:
        """Channels of the last feature map."""
        return 4 * self.stages[-1][0]

    @property
    def stride(self) -> int:
        """Pixels between two neighbours of the last feature map."""
        return math.prod(step for _, _, step in self.stages)

    @property
    def field(self) -> int:
        """Pixels, in a row, that one position sees."""
        field, stride = 3, 1  # the stem's 3x3
        for index, (_, _, step) in enumerate(self.stages):
            field += 2 * stride if index < self.spatial_stages else 0
            stride *= step
        return field

    @property
    def grid(self) -> Grid:
        """Where the last feature map's positions lie."""
        return Grid(stride=self.stride, reach=self.field, field=self.field)


LADEDA9 = PatchShape()
THIN_PATCH = PatchShape(width=16, stages=((8, 1, 2), (16, 1, 2), (16, 1, 2), (16, 1, 1)))
PATCH_SHAPES = {"ladeda9": LADEDA9, "thin_patch": THIN_PATCH}


class PatchBlock(nnx.Module):
    """1x1 reduce, 3x3 (unpadded) or 1x1, 1x1 expand by four, added to the (projected) input."""

    def __init__(self, channels_in: int, channels: int, stride: int, spatial: bool, *, dtype, rngs):
        channels_out = 4 * channels
        self.stride, self.spatial = stride, spatial
        self.conv1 = layers.Pointwise(channels_in, channels, dtype=dtype, rngs=rngs)
        self.bn1 = layers.BatchNorm(channels, dtype=dtype, rngs=rngs)
        if spatial:
            self.conv2 = layers.Convolution(
                channels, channels, stride, padding=0, dtype=dtype, rngs=rngs
            )
        else:
            self.conv2 = layers.Pointwise(channels, channels, dtype=dtype, rngs=rngs)
        self.bn2 = layers.BatchNorm(channels, dtype=dtype, rngs=rngs)
        self.conv3 = layers.Pointwise(channels, channels_out, dtype=dtype, rngs=rngs)
        self.bn3 = layers.BatchNorm(channels_out, dtype=dtype, rngs=rngs)
        # As in torchvision: only where shapes differ.
        projected = stride != 1 or channels_in != channels_out
        self.projection = (
            Projection(channels_in, channels_out, dtype=dtype, rngs=rngs) if projected else None
        )

    def __call__(self, x: jax.Array, examples: jax.Array | None) -> jax.Array:
        """Feature maps after the block."""
        y = derivatives.relu(self.bn1(self.conv1(x), examples))
        y = self.conv2(y if self.spatial else y[:, :: self.stride, :: self.stride])
        y = derivatives.relu(self.bn2(y, examples))
        y = self.bn3(self.conv3(y), examples)
        shortcut = x[:, :: self.stride, :: self.stride]
        if self.projection is not None:
            # Before the crop: in training its statistics are those of the uncropped map.
            shortcut = self.projection(shortcut, examples)
        return derivatives.relu(y + shortcut[:, : y.shape[1], : y.shape[2]])


class PatchResNet(nnx.Module):
    """Stem and stages: float ``[b, h, w, 3]`` to one feature vector per patch."""

    def __init__(self, shape: PatchShape, *, stem_momentum: float, dtype=jnp.float32, rngs):
        """``stem_momentum``: of the stem's running statistics, torch's convention, in (0, 1]."""
        self.shape = shape
        self.conv1 = layers.Pointwise(3, shape.width, dtype=dtype, rngs=rngs)
        self.conv2 = layers.Convolution(
            shape.width, shape.width, 1, padding=0, dtype=dtype, rngs=rngs
        )
        self.bn1 = layers.BatchNorm(shape.width, momentum=stem_momentum, dtype=dtype, rngs=rngs)
        stages, channels_in = [], shape.width
        for index, (channels, blocks, stride) in enumerate(shape.stages):
            stage = []
            for block in range(blocks):
                step = stride if block == 0 else 1
                spatial = index < shape.spatial_stages and block == 0
                stage.append(
                    PatchBlock(channels_in, channels, step, spatial, dtype=dtype, rngs=rngs)
                )
                channels_in = 4 * channels
            stages.append(nnx.List(stage))
        self.stages = nnx.List(stages)

    def __call__(self, x: jax.Array, mask: Mask = None, examples: Mask = None) -> jax.Array:
        """Feature maps ``[b, (h - 9) // 8 + 1, (w - 9) // 8 + 1, features]`` of ``[b, h, w, 3]``.

        ``examples`` as in ``layers.BatchNorm``; no mask is used: no position sees padding.
        """
        del mask
        x = self.conv2(self.conv1(x))
        x = derivatives.relu(self.bn1(x, examples))
        for stage in self.stages:
            for block in stage:
                x = block(x, examples)
        return x
