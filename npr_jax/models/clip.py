"""CLIP's vision tower: images to embeddings, in the layout of the published weights.

Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML
2021, section 2.4; the vision transformer is that of Dosovitskiy et al., ICLR 2021, with a layer
norm before the first block. Layer norms use epsilon 1e-5, the activation is x * sigmoid(1.702 x).
"""

import dataclasses

import jax
import jax.numpy as jnp
from flax import nnx

from input_pipeline.errors import UserError

NORM_EPSILON = 1e-5
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclasses.dataclass(frozen=True)
class ClipShape:
    """The numbers that make a vision tower; the default is ViT-L/14 (303,966,208 parameters).

    ``image_side``: pixels of the square images, a multiple of the side of a ``patch``; ``width``:
    features of a token, a multiple of the attention's ``heads``; ``layers``: transformer blocks;
    ``hidden``: units of each block's feed-forward layer; ``projection``: features of the embedding.
    Raises ``UserError`` where a number is below 1, or one is no multiple of another.
    """

    image_side: int = 224
    patch: int = 14
    width: int = 1024
    layers: int = 24
    heads: int = 16
    hidden: int = 4096
    projection: int = 768

    def __post_init__(self) -> None:
        problems = [
            f"{name} is {value}; expected at least 1"
            for name, value in dataclasses.asdict(self).items()
            if value < 1
        ]
        if not problems and self.image_side % self.patch:
            problems.append(
                f"image_side is {self.image_side}; expected a multiple of patch, {self.patch}"
            )
        if not problems and self.width % self.heads:
            problems.append(f"width is {self.width}; expected a multiple of heads, {self.heads}")
        if problems:
            raise UserError("; ".join(problems))

    @property
    def tokens(self) -> int:
        """Patches of an image, and the class token."""
        return (self.image_side // self.patch) ** 2 + 1


VIT_L14 = ClipShape()


def _drawn(init, shape: tuple[int, ...], rngs: nnx.Rngs | None) -> jax.Array:
    if rngs is None:
        return jnp.zeros(shape, jnp.float32)
    return init(rngs.params(), shape, jnp.float32)


class Dense(nnx.Module):
    """``x @ kernel + bias`` in a dtype; the numbers are kept in float32."""

    def __init__(self, features_in: int, features_out: int, *, kind, bias=True, dtype, rngs):
        init = nnx.initializers.lecun_normal()
        self.kernel = kind(_drawn(init, (features_in, features_out), rngs))
        self.bias = kind(jnp.zeros(features_out)) if bias else None
        self.dtype = dtype

    def __call__(self, x: jax.Array) -> jax.Array:
        """``[..., features_in]`` to ``[..., features_out]``."""
        y = x.astype(self.dtype) @ self.kernel[...].astype(self.dtype)
        return y if self.bias is None else y + self.bias[...].astype(self.dtype)


class LayerNorm(nnx.Module):
    """Layer normalisation over the last axis; computed in float32 whatever the dtype."""

    def __init__(self, features: int, *, kind, dtype):
        self.scale = kind(jnp.ones(features))
        self.bias = kind(jnp.zeros(features))
        self.dtype = dtype

    def __call__(self, x: jax.Array) -> jax.Array:
        """``[..., features]``, same shape."""
        x = x.astype(jnp.float32)
        centred = x - x.mean(-1, keepdims=True)
        variance = jnp.square(centred).mean(-1, keepdims=True)
        y = centred * jax.lax.rsqrt(variance + NORM_EPSILON)
        return (y * self.scale[...] + self.bias[...]).astype(self.dtype)


class Attention(nnx.Module):
    """Multi-head self-attention over all tokens."""

    def __init__(self, shape: ClipShape, *, kind, dtype, rngs):
        def layer():
            return Dense(shape.width, shape.width, kind=kind, dtype=dtype, rngs=rngs)

        self.query, self.key, self.value, self.out = layer(), layer(), layer(), layer()
        self.heads = shape.heads

    def __call__(self, x: jax.Array) -> jax.Array:
        """``[b, tokens, width]``, same shape."""
        split = (*x.shape[:2], self.heads, x.shape[2] // self.heads)
        q, k, v = (layer(x).reshape(split) for layer in (self.query, self.key, self.value))
        # Divides by the root of the head's width; the softmax is in float32.
        return self.out(jax.nn.dot_product_attention(q, k, v).reshape(x.shape))


class Block(nnx.Module):
    """Attention and feed-forward, each normalised before and added to its input."""

    def __init__(self, shape: ClipShape, *, kind, dtype, rngs):
        self.norm1 = LayerNorm(shape.width, kind=kind, dtype=dtype)
        self.attention = Attention(shape, kind=kind, dtype=dtype, rngs=rngs)
        self.norm2 = LayerNorm(shape.width, kind=kind, dtype=dtype)
        self.expand = Dense(shape.width, shape.hidden, kind=kind, dtype=dtype, rngs=rngs)
        self.reduce = Dense(shape.hidden, shape.width, kind=kind, dtype=dtype, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """``[b, tokens, width]``, same shape."""
        x = x + self.attention(self.norm1(x))
        hidden = self.expand(self.norm2(x))
        return x + self.reduce(hidden * jax.nn.sigmoid(1.702 * hidden))


class ClipVision(nnx.Module):
    """Normalised images to embeddings: ``[b, side, side, 3]`` to float32 ``[b, projection]``.

    The embedding is the class token's, after the last layer norm and the projection. It is not
    scaled to length 1.
    """

    def __init__(
        self,
        shape: ClipShape = VIT_L14,
        *,
        kind: type[nnx.Variable] = nnx.Param,
        dtype=jnp.float32,
        rngs: nnx.Rngs | None,
    ):
        """``kind``: class of its variables, another than ``nnx.Param`` where they are not trained.

        ``dtype`` is of the arithmetic; the numbers are kept in float32. ``rngs``' stream ``params``
        draws the initial weights, which are no published ones; None: all are zero, to be filled
        from a file.
        """
        self.shape = shape
        pixels = 3 * shape.patch**2
        self.patches = Dense(pixels, shape.width, kind=kind, bias=False, dtype=dtype, rngs=rngs)
        spread = nnx.initializers.normal(shape.width**-0.5)
        self.class_token = kind(_drawn(spread, (shape.width,), rngs))
        self.positions = kind(_drawn(spread, (shape.tokens, shape.width), rngs))
        self.norm_before = LayerNorm(shape.width, kind=kind, dtype=dtype)
        blocks = (Block(shape, kind=kind, dtype=dtype, rngs=rngs) for _ in range(shape.layers))
        self.blocks = nnx.List(blocks)
        self.norm_after = LayerNorm(shape.width, kind=kind, dtype=dtype)
        self.projection = Dense(
            shape.width, shape.projection, kind=kind, bias=False, dtype=dtype, rngs=rngs
        )
        self.dtype = dtype

    def __call__(self, images: jax.Array) -> jax.Array:
        """Embeddings of images of the tower's size, normalised by CLIP's mean and deviation."""
        side, patch, width = self.shape.image_side, self.shape.patch, self.shape.width
        if images.shape[1:] != (side, side, 3):
            height, breadth = images.shape[1:3]
            raise UserError(
                f"images are {height}x{breadth} pixels; this vision tower takes {side}x{side}: "
                f"crop them, as --config.data.evaluate_crop={side} does"
            )
        across = side // patch
        x = images.astype(self.dtype).reshape(-1, across, patch, across, patch, 3)
        x = x.transpose(0, 1, 3, 2, 4, 5).reshape(-1, across * across, patch * patch * 3)
        x = self.patches(x)
        first = jnp.broadcast_to(self.class_token[...].astype(self.dtype), (len(x), 1, width))
        x = jnp.concatenate([first, x], axis=1) + self.positions[...].astype(self.dtype)
        x = self.norm_before(x)
        for block in self.blocks:
            x = block(x)
        return self.projection(self.norm_after(x[:, 0])).astype(jnp.float32)
