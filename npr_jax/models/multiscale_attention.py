"""Several residual scales, one branch each, and a softmax that weighs them per image."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import ml_collections
from flax import nnx

from npr_jax.front_end import FRONT_END_RULES, FrontEnd, front_ends_of
from npr_jax.models import layers
from npr_jax.models.base import Prediction
from npr_jax.models.resnet import BACKBONES, ResNet, ResNetShape
from npr_jax.models.system import System
from npr_jax.rules import choice, integer


class MultiscaleAttention(nnx.Module):
    """Residuals at several factors -> a ResNet branch each -> attention over the branches.

    The attention is a two-layer perceptron on the concatenated branch features whose softmax
    weighs the branches' features before the linear classifier.
    """

    whole = False

    def __init__(
        self,
        *,
        front_ends: tuple[FrontEnd, ...],
        backbone: ResNetShape,
        attention_features: int,
        dtype=jnp.float32,
        rngs: nnx.Rngs,
    ):
        self.front_ends = front_ends
        self.grids = (backbone.grid,) * len(front_ends)
        self.scales = tuple(front_end.name for front_end in front_ends)
        self.branches = nnx.List([ResNet(backbone, dtype=dtype, rngs=rngs) for _ in front_ends])
        width, count = backbone.features, len(front_ends)
        self.attention_hidden = layers.torch_linear(width * count, attention_features, rngs=rngs)
        self.attention_out = layers.torch_linear(attention_features, count, rngs=rngs)
        self.classifier = layers.torch_linear(width, 1, rngs=rngs)

    def feature_maps(
        self, views: list[jax.Array], mask: jax.Array | None, examples: jax.Array | None
    ) -> list[jax.Array]:
        """See ``npr_jax.models.base.Model``."""
        return [
            branch(view, mask, examples) for branch, view in zip(self.branches, views, strict=True)
        ]

    def head(self, features: list[jax.Array]) -> Prediction:
        """See ``npr_jax.models.base.Model``; ``weights`` sum to 1 over the scales."""
        hidden = nnx.relu(self.attention_hidden(jnp.concatenate(features, axis=-1)))
        weights = nnx.softmax(self.attention_out(hidden), axis=-1)
        mixed = jnp.einsum("bs,bsf->bf", weights, jnp.stack(features, axis=1))
        return Prediction(self.classifier(mixed)[:, 0], weights)


def _build(config: ml_collections.ConfigDict, dtype, rngs: nnx.Rngs) -> MultiscaleAttention:
    return MultiscaleAttention(
        front_ends=front_ends_of(config),
        backbone=BACKBONES[config.backbone],
        attention_features=config.attention_features,
        dtype=dtype,
        rngs=rngs,
    )


SYSTEM = System(
    build=_build,
    rules=FRONT_END_RULES
    | {"backbone": choice(*BACKBONES), "attention_features": integer(1, 65536)},
    paper="this project: attention over residual scales, after the NPR residual",
)
