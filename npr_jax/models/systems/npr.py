"""The NPR detector: one residual, a ResNet cut after its second stage, one logit."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import ml_collections
from flax import nnx

from npr_jax.models import layers
from npr_jax.models.base import Prediction
from npr_jax.models.resnet import BACKBONES, ResNet, ResNetShape
from npr_jax.models.systems.front_end_settings import (
    FRONT_END_RULES,
    front_ends_of,
    one_residual_problems,
)
from npr_jax.models.systems.setting_rules import choice
from npr_jax.models.systems.system import System
from npr_jax.residuals.front_end import FrontEnd


class NPR(nnx.Module):
    """Tan et al., CVPR 2024, section 3; 1,437,761 parameters with the cut ResNet-50."""

    whole = False
    scales = ()

    def __init__(
        self, *, front_end: FrontEnd, backbone: ResNetShape, dtype=jnp.float32, rngs: nnx.Rngs
    ):
        self.front_ends = (front_end,)
        self.grids = (backbone.grid,)
        self.backbone = ResNet(backbone, dtype=dtype, rngs=rngs)
        self.classifier = layers.torch_linear(backbone.features, 1, rngs=rngs)

    def feature_maps(
        self, views: list[jax.Array], mask: jax.Array | None, examples: jax.Array | None
    ) -> list[jax.Array]:
        """See ``npr_jax.models.base.Model``."""
        return [self.backbone(views[0], mask, examples)]

    def head(self, features: list[jax.Array]) -> Prediction:
        """See ``npr_jax.models.base.Model``."""
        return Prediction(self.classifier(features[0])[:, 0], None)

    def position_logits(self, maps: list[jax.Array], prediction: Prediction) -> jax.Array:
        """What each position adds, float32 ``[b, h, w]``; the mean over positions is the logit.

        Zhou et al., Learning Deep Features for Discriminative Localization, CVPR 2016.
        """
        del prediction
        return self.classifier(maps[0].astype(jnp.float32))[..., 0]


def _build(config: ml_collections.ConfigDict, dtype, rngs: nnx.Rngs) -> NPR:
    [front_end] = front_ends_of(config)
    return NPR(front_end=front_end, backbone=BACKBONES[config.backbone], dtype=dtype, rngs=rngs)


SYSTEM = System(
    build=_build,
    rules=FRONT_END_RULES | {"backbone": choice(*BACKBONES)},
    paper="Tan et al., Rethinking the Up-Sampling Operations ..., CVPR 2024",
    problems=lambda config: one_residual_problems(config.model),
)
