"""CNNDetection: a ResNet-50 on the pixels themselves, from ImageNet weights where given.

Wang et al., "CNN-generated images are surprisingly easy to spot... for now", CVPR 2020,
section 4.1. ``RGBResNet`` is also the classifier of other systems that show a ResNet pixels.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import ml_collections
from flax import nnx

from npr_jax.models import layers
from npr_jax.models.base import Prediction
from npr_jax.models.resnet import BACKBONES, ResNet, ResNetShape
from npr_jax.models.systems.setting_rules import choice, text
from npr_jax.models.systems.system import System
from npr_jax.residuals.front_end import FrontEnd, rgb_front_end

HEAD_DEVIATION = 0.02  # of the classifier's initial weights, as CNNDetection draws them


class RGBResNet(nnx.Module):
    """One view of the image, a ResNet, its mean over positions, one linear layer.

    23,510,081 parameters with torchvision's ResNet-50.
    """

    whole = False
    scales = ()

    def __init__(
        self, *, front_end: FrontEnd, backbone: ResNetShape, dtype=jnp.float32, rngs: nnx.Rngs
    ):
        self.front_ends = (front_end,)
        self.grids = (backbone.grid,)
        self.backbone = ResNet(backbone, dtype=dtype, rngs=rngs)
        self.classifier = layers.torch_linear(backbone.features, 1, rngs=rngs)
        normal = nnx.initializers.normal(HEAD_DEVIATION)
        kernel = self.classifier.kernel
        kernel.set_value(normal(rngs.params(), kernel.get_value().shape, jnp.float32))

    def feature_maps(
        self, views: list[jax.Array], mask: jax.Array | None, examples: jax.Array | None
    ) -> list[jax.Array]:
        """See ``npr_jax.models.base.Model``."""
        return [self.backbone(views[0], mask, examples)]

    def head(self, features: list[jax.Array]) -> Prediction:
        """See ``npr_jax.models.base.Model``."""
        return Prediction(self.classifier(features[0])[:, 0], None)

    def position_logits(self, maps: list[jax.Array], prediction: Prediction) -> jax.Array:
        """Class-activation map, float32 ``[b, h, w]``, whose mean over positions is the logit."""
        del prediction
        return self.classifier(maps[0].astype(jnp.float32))[..., 0]


def _build(config: ml_collections.ConfigDict, dtype, rngs: nnx.Rngs) -> RGBResNet:
    return RGBResNet(
        front_end=rgb_front_end(), backbone=BACKBONES[config.backbone], dtype=dtype, rngs=rngs
    )


def _problems(config: ml_collections.ConfigDict) -> list[str]:
    model = config.model
    if not model.imagenet_weights or model.backbone == "torchvision_resnet50":
        return []
    return [
        f"model.imagenet_weights is {model.imagenet_weights!r} and model.backbone "
        f"{model.backbone}; ImageNet weights are read for torchvision_resnet50: give "
        "--config.model.backbone=torchvision_resnet50, or no weights"
    ]


def start_from_imagenet(
    config: ml_collections.ConfigDict, params: nnx.State, batch_stats: nnx.State
) -> tuple[nnx.State, nnx.State]:
    """See ``System.start``: torchvision's ResNet-50 in place of the backbone's random numbers."""
    if not config.imagenet_weights:
        return params, batch_stats
    # The loaders know the models.
    from npr_jax.models.pretrained.imagenet import TABLE
    from npr_jax.models.pretrained.state_dict import load_state_dict
    from npr_jax.models.pretrained.torch_weights import fill_state

    arrays = load_state_dict(config.imagenet_weights)
    state = fill_state(nnx.merge_state(params, batch_stats), TABLE, arrays)
    return nnx.split_state(state, nnx.Param, nnx.BatchStat)


SYSTEM = System(
    build=_build,
    rules={
        "backbone": choice(*BACKBONES),
        "imagenet_weights": text(empty="Kaiming's random weights"),
    },
    paper="Wang et al., CNN-generated images are surprisingly easy to spot, CVPR 2020",
    problems=_problems,
    start=start_from_imagenet,
)
