"""The U-Net that predicts noise: small ones of our own and the published ADM are one class.

Ho et al., NeurIPS 2020, appendix B, with the changes of Dhariwal and Nichol, "Diffusion Models Beat
GANs on Image Synthesis", NeurIPS 2021, section 3: residual blocks that change the resolution, scale
and shift by the time step inside the normalisation, attention with heads of a fixed width. Without
dropout, which the published 256-pixel model does not use either.
"""

import dataclasses
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from input_pipeline.errors import UserError
from npr_jax.models import derivatives
from npr_jax.models.diffusion.ddim import Trajectory, trajectory

_LONGEST_PERIOD = 10_000.0
_MOST, _MOST_BLOCKS = 2**14, 64  # beyond any U-Net; a damaged file may ask for more


@dataclasses.dataclass(frozen=True)
class UNetShape:
    """What a U-Net is made of."""

    channels: int  # at full resolution, a multiple of ``groups``, even
    multipliers: tuple[int, ...]  # of ``channels`` at each resolution, each half the one before
    blocks: int  # residual blocks at each resolution on the way down; one more on the way up
    # reductions (1, 2, 4, ...) at which attention follows each residual block
    attention: tuple[int, ...] = ()
    head_channels: int = 64  # width of an attention head; divides the channels at those resolutions
    groups: int = 32  # of the group normalisation
    # whether three more outputs follow the noise (the variance; not used here)
    learned_sigma: bool = False

    def __post_init__(self):
        """Raises ``ValueError`` where layers would not fit each other."""
        numbers = [self.channels, self.blocks, self.groups, self.head_channels, *self.multipliers]
        if not all(type(number) is int for number in [*numbers, *self.attention]):
            raise UserError(f"{self}: all of them must be whole numbers")
        if min(numbers) < 1:
            raise UserError(f"{self}: all numbers must be at least 1")
        if max(*numbers, len(self.multipliers)) > _MOST or self.blocks > _MOST_BLOCKS:
            raise UserError(
                f"{self}: no number may be above {_MOST}, and blocks are at most {_MOST_BLOCKS}"
            )
        if self.channels % 2 or self.channels % self.groups:
            raise UserError(
                f"unet channels are {self.channels}; expected an even multiple of the "
                f"{self.groups} groups of the normalisation"
            )
        for level, multiplier in enumerate(self.multipliers):
            width = self.channels * multiplier
            if 2**level in self.attention and width % self.head_channels:
                raise UserError(
                    f"attention at 1/{2**level} has {width} channels and heads of "
                    f"{self.head_channels}; expected a head_channels that divides {width}"
                )
        if (self.channels * self.multipliers[-1]) % self.head_channels:
            raise UserError(
                f"the middle attention has {self.channels * self.multipliers[-1]} channels and "
                f"heads of {self.head_channels}; expected a head_channels that divides them"
            )

    @property
    def stride(self) -> int:
        """Height and width of images must be multiples of this."""
        return 2 ** (len(self.multipliers) - 1)


def time_encoding(timesteps: jax.Array, width: int) -> jax.Array:
    """Cosines, then sines, of the time step at geometrically spaced frequencies.

    ``timesteps``: int32 ``[b]``; returns float32 ``[b, width]``, ``width`` even. Vaswani et al.,
    2017, section 3.5, in the order of Dhariwal and Nichol's weights.
    """
    half = width // 2
    frequencies = jnp.exp(-math.log(_LONGEST_PERIOD) * jnp.arange(half) / half)
    angles = timesteps.astype(jnp.float32)[:, None] * frequencies
    return jnp.concatenate([jnp.cos(angles), jnp.sin(angles)], axis=1)


class Convolution(nnx.Module):
    """3x3 convolution with bias at stride 1, zeros beyond the edges."""

    def __init__(self, channels_in: int, channels_out: int, *, zero: bool = False, rngs: nnx.Rngs):
        shape = (3, 3, channels_in, channels_out)
        self.kernel = nnx.Param(_initial(zero)(rngs.params(), shape, jnp.float32))
        self.bias = nnx.Param(jnp.zeros(channels_out))

    def __call__(self, x: jax.Array, time: jax.Array | None = None) -> jax.Array:
        """``[b, h, w, channels_in]`` to ``[b, h, w, channels_out]``; ``time`` is not used."""
        return derivatives.convolution(x, self.kernel[...], 1, 1) + self.bias[...]


class ResidualBlock(nnx.Module):
    """Normalise, 3x3, normalise by time, 3x3, added to the input; may halve or double the size."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        time_width: int,
        groups: int,
        *,
        resample: str = "",
        rngs: nnx.Rngs,
    ):
        """``resample`` is ``up``, ``down`` or empty."""
        self.resample = resample
        self.norm1 = _norm(channels_in, groups, rngs)
        self.conv1 = Convolution(channels_in, channels_out, rngs=rngs)
        self.time = nnx.Linear(time_width, 2 * channels_out, rngs=rngs)
        self.norm2 = _norm(channels_out, groups, rngs)
        self.conv2 = Convolution(channels_out, channels_out, zero=True, rngs=rngs)
        same = channels_in == channels_out
        self.shortcut = None if same else nnx.Linear(channels_in, channels_out, rngs=rngs)

    def __call__(self, x: jax.Array, time: jax.Array) -> jax.Array:
        """``x`` ``[b, h, w, channels_in]``, ``time`` ``[b, time_width]``."""
        y = _resample(nnx.silu(self.norm1(x)), self.resample)
        x = _resample(x, self.resample)
        scale, shift = jnp.split(self.time(nnx.silu(time))[:, None, None], 2, axis=-1)
        y = self.norm2(self.conv1(y)) * (1 + scale) + shift
        y = self.conv2(nnx.silu(y))
        return y + (x if self.shortcut is None else self.shortcut(x))


class Attention(nnx.Module):
    """Self-attention over all positions, added to the input."""

    def __init__(self, channels: int, head_channels: int, groups: int, *, rngs: nnx.Rngs):
        self.heads = channels // head_channels
        self.norm = _norm(channels, groups, rngs)
        self.qkv = nnx.Linear(channels, 3 * channels, rngs=rngs)
        self.projection = nnx.Linear(channels, channels, kernel_init=_initial(True), rngs=rngs)

    def __call__(self, x: jax.Array, time: jax.Array | None = None) -> jax.Array:
        """``[b, h, w, channels]`` to the same; ``time`` is not used."""
        batch, height, width, channels = x.shape
        # The published weights hold query, key and value of one head after the other.
        split = (batch, height * width, self.heads, 3, channels // self.heads)
        qkv = self.qkv(self.norm(x)).reshape(split)
        y = jax.nn.dot_product_attention(qkv[:, :, :, 0], qkv[:, :, :, 1], qkv[:, :, :, 2])
        return x + self.projection(y.reshape(x.shape))


class UNet(nnx.Module):
    """``(x float32 [b, h, w, 3], int32 [b])`` to noise ``[b, h, w, 3]``, or 6 channels."""

    def __init__(self, shape: UNetShape, *, rngs: nnx.Rngs):
        self.shape = shape
        time_width = 4 * shape.channels
        self.time_embed = nnx.List(
            [
                nnx.Linear(shape.channels, time_width, rngs=rngs),
                nnx.Linear(time_width, time_width, rngs=rngs),
            ]
        )
        blocks = _blocks(shape, time_width, rngs)
        self.input_blocks, self.middle_block, self.output_blocks = blocks
        self.norm = _norm(shape.channels, shape.groups, rngs)
        outputs = 6 if shape.learned_sigma else 3
        self.conv = Convolution(shape.channels, outputs, zero=True, rngs=rngs)

    def __call__(self, x: jax.Array, timesteps: jax.Array) -> jax.Array:
        """``x`` in about [-1, 1] plus noise, sides multiples of ``shape.stride``."""
        time = time_encoding(timesteps, self.shape.channels)
        time = self.time_embed[1](nnx.silu(self.time_embed[0](time)))
        kept = []
        for block in self.input_blocks:
            x = _apply(block, x, time)
            kept.append(x)
        x = _apply(self.middle_block, x, time)
        for block in self.output_blocks:
            x = _apply(block, jnp.concatenate([x, kept.pop()], axis=-1), time)
        return self.conv(nnx.silu(self.norm(x)))


def _blocks(shape: UNetShape, time_width: int, rngs: nnx.Rngs) -> tuple[nnx.List, ...]:
    """The layers on the way down, in the middle and on the way up."""
    now, skips = shape.channels, [shape.channels]

    def residual(width: int, more: int = 0, resample: str = "") -> ResidualBlock:
        nonlocal now
        channels_in, now = now + more, width
        return ResidualBlock(
            channels_in, width, time_width, shape.groups, resample=resample, rngs=rngs
        )

    def attention() -> Attention:
        return Attention(now, shape.head_channels, shape.groups, rngs=rngs)

    down = [nnx.List([Convolution(3, shape.channels, rngs=rngs)])]
    for level, multiplier in enumerate(shape.multipliers):
        for _ in range(shape.blocks):
            layers: list[nnx.Module] = [residual(shape.channels * multiplier)]
            layers += [attention()] if 2**level in shape.attention else []
            down.append(nnx.List(layers))
            skips.append(now)
        if level + 1 < len(shape.multipliers):
            down.append(nnx.List([residual(now, resample="down")]))
            skips.append(now)
    middle = nnx.List([residual(now), attention(), residual(now)])
    up = []
    for level, multiplier in reversed(list(enumerate(shape.multipliers))):
        for number in range(shape.blocks + 1):
            layers = [residual(shape.channels * multiplier, more=skips.pop())]
            layers += [attention()] if 2**level in shape.attention else []
            if level and number == shape.blocks:
                layers.append(residual(now, resample="up"))
            up.append(nnx.List(layers))
    return nnx.List(down), middle, nnx.List(up)


def _apply(layers: Sequence, x: jax.Array, time: jax.Array) -> jax.Array:
    for layer in layers:
        x = layer(x, time)
    return x


def _resample(x: jax.Array, how: str) -> jax.Array:
    """Nearest neighbours up, means of 2x2 down."""
    if how == "up":
        return x.repeat(2, axis=1).repeat(2, axis=2)
    if how == "down":
        batch, height, width, channels = x.shape
        return x.reshape(batch, height // 2, 2, width // 2, 2, channels).mean((2, 4))
    return x


def _norm(channels: int, groups: int, rngs: nnx.Rngs) -> nnx.GroupNorm:
    # The fast variance cancels digits where a group's mean is large.
    return nnx.GroupNorm(
        channels, num_groups=groups, epsilon=1e-5, use_fast_variance=False, rngs=rngs
    )


def _initial(zero: bool):
    return nnx.initializers.zeros_init() if zero else nnx.initializers.lecun_normal()


@dataclasses.dataclass(frozen=True)
class NoisePredictor:
    """A trained U-Net and the forward process it was trained for: its ``schedule`` and ``steps``.

    ``image_size``: side in pixels of the images it was trained on; it takes others too. ``source``:
    the file it came from, ``sha256`` that file's, in hex; both empty where it came from none.
    """

    unet: UNet
    schedule: str
    steps: int
    image_size: int
    sha256: str = ""
    source: str = ""

    @property
    def stride(self) -> int:
        """Height and width of images must be multiples of this."""
        return self.unet.shape.stride

    def trajectory(self, count: int) -> Trajectory:
        """The noise levels of a sampler with ``count`` steps."""
        return trajectory(self.schedule, self.steps, count)

    def split(self) -> tuple[nnx.GraphDef, nnx.State]:
        """Structure and parameters, the latter to be given to a jitted function."""
        graphdef, params = nnx.split(self.unet)
        return graphdef, params


def predict_noise(
    graphdef: nnx.GraphDef, params: nnx.State, x: jax.Array, timesteps: jax.Array
) -> jax.Array:
    """The noise in ``x`` float32 ``[b, h, w, 3]`` at ``timesteps`` int32 ``[b]``."""
    return nnx.merge(graphdef, params)(x, timesteps)[..., :3]
