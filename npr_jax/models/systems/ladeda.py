"""LaDeDa: the NPR residual judged patch by patch, each of 9x9 pixels, and averaged.

Cavia et al., "Real-Time Deepfake Detection in the Real-World", 2024, section 3.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import ml_collections
from flax import nnx

from npr_jax.models import layers
from npr_jax.models.base import Prediction
from npr_jax.models.patch_resnet import PATCH_SHAPES, PatchResNet, PatchShape
from npr_jax.models.systems.front_end_settings import (
    FRONT_END_RULES,
    front_ends_of,
    one_residual_problems,
)
from npr_jax.models.systems.setting_rules import choice, number
from npr_jax.models.systems.system import System
from npr_jax.residuals.front_end import FrontEnd


class LaDeDa(nnx.Module):
    """One residual, a ResNet without padding, the mean of its patches' logits.

    The classifier is linear, so the mean over patches may come before it or after it.
    """

    whole = False
    scales = ()

    def __init__(
        self,
        *,
        front_end: FrontEnd,
        shape: PatchShape,
        stem_momentum: float = 0.001,
        dtype=jnp.float32,
        rngs: nnx.Rngs,
    ):
        self.front_ends = (front_end,)
        self.grids = (shape.grid,)
        self.backbone = PatchResNet(shape, stem_momentum=stem_momentum, dtype=dtype, rngs=rngs)
        self.classifier = layers.torch_linear(shape.features, 1, rngs=rngs)

    def feature_maps(
        self, views: list[jax.Array], mask: jax.Array | None, examples: jax.Array | None
    ) -> list[jax.Array]:
        """See ``npr_jax.models.base.Model``; no position sees padding, so the mask is not used."""
        del mask
        return [self.backbone(views[0], examples)]

    def head(self, features: list[jax.Array]) -> Prediction:
        """See ``npr_jax.models.base.Model``."""
        return Prediction(self.classifier(features[0])[:, 0], None)

    def position_logits(self, maps: list[jax.Array], prediction: Prediction) -> jax.Array:
        """The patches' scores, float32 ``[b, h, w]``; their mean is the logit."""
        del prediction
        return self.classifier(maps[0].astype(jnp.float32))[..., 0]


def _build(config: ml_collections.ConfigDict, dtype, rngs: nnx.Rngs) -> LaDeDa:
    [front_end] = front_ends_of(config)
    return LaDeDa(
        front_end=front_end,
        shape=PATCH_SHAPES[config.backbone],
        stem_momentum=config.stem_momentum,
        dtype=dtype,
        rngs=rngs,
    )


SYSTEM = System(
    build=_build,
    rules=FRONT_END_RULES
    | {"backbone": choice(*PATCH_SHAPES), "stem_momentum": number(0, 1, closed=True)},
    paper="Cavia et al., Real-Time Deepfake Detection in the Real-World, 2024",
    problems=lambda config: one_residual_problems(config.model),
)
