"""SAFE: the finest diagonal wavelet band into NPR's cut ResNet-50, one logit for each class.

Li et al., "Improving Synthetic Image Detection Towards Generalization: An Image Transformation
Perspective", KDD 2025.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import ml_collections
from flax import nnx

from npr_jax.models import layers
from npr_jax.models.base import Prediction
from npr_jax.models.resnet import BACKBONES, ResNet, ResNetShape
from npr_jax.models.systems.setting_rules import choice
from npr_jax.models.systems.system import System
from npr_jax.residuals.front_end import FrontEnd


def safe_front_end() -> FrontEnd:
    """One-level DWT bior1.3 (symmetric), HH band, resized bilinearly to the image, over 255."""
    return FrontEnd(mode="hh", scale=(1.0 / 255.0,) * 3)


class SAFE(nnx.Module):
    """1,438,274 parameters: NPR's 1,437,761 and a second row of the classifier.

    The classifier keeps the published two rows (photograph, generated), so that weights and
    AdamW's decay are the published ones; the logit is their difference, whose sigmoid is the
    softmax's second probability, and whose cross-entropy is the softmax's.
    """

    whole = False
    scales = ()

    def __init__(
        self, *, front_end: FrontEnd, backbone: ResNetShape, dtype=jnp.float32, rngs: nnx.Rngs
    ):
        self.front_ends = (front_end,)
        self.grids = (backbone.grid,)
        self.backbone = ResNet(backbone, dtype=dtype, rngs=rngs)
        self.classifier = layers.torch_linear(backbone.features, 2, rngs=rngs)

    def feature_maps(
        self, views: list[jax.Array], mask: jax.Array | None, examples: jax.Array | None
    ) -> list[jax.Array]:
        """See ``npr_jax.models.base.Model``."""
        return [self.backbone(views[0], mask, examples)]

    def head(self, features: list[jax.Array]) -> Prediction:
        """See ``npr_jax.models.base.Model``."""
        classes = self.classifier(features[0])
        return Prediction(classes[:, 1] - classes[:, 0], None)

    def position_logits(self, maps: list[jax.Array], prediction: Prediction) -> jax.Array:
        """What each position adds, float32 ``[b, h, w]``; the mean over positions is the logit."""
        del prediction
        classes = self.classifier(maps[0].astype(jnp.float32))
        return classes[..., 1] - classes[..., 0]


def _build(config: ml_collections.ConfigDict, dtype, rngs: nnx.Rngs) -> SAFE:
    backbone = BACKBONES[config.backbone]
    return SAFE(front_end=safe_front_end(), backbone=backbone, dtype=dtype, rngs=rngs)


SYSTEM = System(
    build=_build,
    rules={"backbone": choice(*BACKBONES)},
    paper="Li et al., Improving Synthetic Image Detection Towards Generalization, KDD 2025",
)
