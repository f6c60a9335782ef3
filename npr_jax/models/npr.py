"""The NPR detector: one residual, a ResNet cut after its second stage, one logit."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from npr_jax.models import layers
from npr_jax.models.base import Prediction
from npr_jax.models.resnet import ResNet, ResNetShape


class NPR(nnx.Module):
    """Tan et al., CVPR 2024, section 3; 1,437,761 parameters with the cut ResNet-50."""

    def __init__(
        self,
        *,
        factor: float,
        mode: str,
        backbone: ResNetShape,
        dtype=jnp.float32,
        rngs: nnx.Rngs,
    ):
        self.residuals = ((factor, mode),)
        self.stride, self.reach = backbone.stride, backbone.reach
        self.backbone = ResNet(backbone, dtype=dtype, rngs=rngs)
        self.classifier = layers.torch_linear(backbone.features, 1, rngs=rngs)

    def feature_maps(
        self, residuals: list[jax.Array], mask: jax.Array | None, examples: jax.Array | None
    ) -> list[jax.Array]:
        """See ``npr_jax.models.base.Model``."""
        return [self.backbone(residuals[0], mask, examples)]

    def head(self, features: list[jax.Array]) -> Prediction:
        """See ``npr_jax.models.base.Model``."""
        return Prediction(self.classifier(features[0])[:, 0], None)
