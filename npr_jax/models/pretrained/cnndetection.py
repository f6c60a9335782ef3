"""CNNDetection's published weights (Wang et al., CVPR 2020): torchvision's keys, one output."""

from __future__ import annotations

from flax import nnx

from npr_jax.models.pretrained.published import Published
from npr_jax.models.pretrained.resnet_keys import bottleneck_rules, linear_rules, stem_rules
from npr_jax.models.pretrained.torch_weights import KeyTable
from npr_jax.models.resnet import TORCHVISION_RESNET50
from npr_jax.models.systems.rgb_resnet import RGBResNet
from npr_jax.residuals.front_end import rgb_front_end

TABLE = KeyTable(
    title="the CNNDetection detector",
    rules=(
        *stem_rules("backbone"),
        *bottleneck_rules("backbone"),
        *linear_rules("fc", "classifier"),
    ),
)


def _build(rngs: nnx.Rngs) -> RGBResNet:
    return RGBResNet(front_end=rgb_front_end(), backbone=TORCHVISION_RESNET50, rngs=rngs)


# The paper tests images at their own size, without a crop (section 4.1).
PUBLISHED = Published(name="cnndetection", table=TABLE, build=_build, resize=0)
