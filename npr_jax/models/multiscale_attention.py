"""Several residual scales, one branch each, and a softmax that weighs them per image."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from npr_jax.models import layers
from npr_jax.models.base import Prediction
from npr_jax.models.resnet import ResNet, ResNetShape


class MultiscaleAttention(nnx.Module):
    """Residuals at several factors -> a ResNet branch each -> attention over the branches.

    The attention is a two-layer perceptron on the concatenated branch features whose softmax
    weighs the branches' features before the linear classifier.
    """

    def __init__(
        self,
        *,
        factors: tuple[float, ...],
        mode: str,
        backbone: ResNetShape,
        attention_features: int,
        dtype=jnp.float32,
        rngs: nnx.Rngs,
    ):
        self.residuals = tuple((factor, mode) for factor in factors)
        self.stride, self.reach = backbone.stride, backbone.reach
        self.branches = nnx.List([ResNet(backbone, dtype=dtype, rngs=rngs) for _ in factors])
        width = backbone.features
        self.attention_hidden = layers.torch_linear(
            width * len(factors), attention_features, rngs=rngs
        )
        self.attention_out = layers.torch_linear(attention_features, len(factors), rngs=rngs)
        self.classifier = layers.torch_linear(width, 1, rngs=rngs)

    def feature_maps(
        self, residuals: list[jax.Array], mask: jax.Array | None, examples: jax.Array | None
    ) -> list[jax.Array]:
        """See ``npr_jax.models.base.Model``."""
        return [
            branch(residual, mask, examples)
            for branch, residual in zip(self.branches, residuals, strict=True)
        ]

    def head(self, features: list[jax.Array]) -> Prediction:
        """See ``npr_jax.models.base.Model``; ``weights`` sum to 1 over the scales."""
        hidden = nnx.relu(self.attention_hidden(jnp.concatenate(features, axis=-1)))
        weights = nnx.softmax(self.attention_out(hidden), axis=-1)
        mixed = jnp.einsum("bs,bsf->bf", weights, jnp.stack(features, axis=1))
        return Prediction(self.classifier(mixed)[:, 0], weights)
