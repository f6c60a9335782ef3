"""CNNDetection: a ResNet-50 on the pixels themselves, from ImageNet weights where given.

Wang et al., "CNN-generated images are surprisingly easy to spot... for now", CVPR 2020,
section 4.1; 23,510,081 parameters with torchvision's ResNet-50.
"""

import jax.numpy as jnp
from flax import nnx
from ml_collections import ConfigDict

from npr_jax.models.classifier import Classifier, resnet_classifier
from npr_jax.models.pretrained import torch_weights
from npr_jax.models.pretrained.state_dict import load_state_dict
from npr_jax.models.pretrained.torch_weights import fill_state
from npr_jax.models.resnet import BACKBONES, TORCHVISION_RESNET50, ResNetShape
from npr_jax.models.systems.system import Published, System, choice, text
from npr_jax.residuals.front_end import rgb_front_end

HEAD_DEVIATION = 0.02  # of the linear layer's initial weights, as CNNDetection draws them


def rgb_resnet(shape: ResNetShape, *, dtype=jnp.float32, rngs: nnx.Rngs) -> Classifier:
    """A ResNet on normalised pixels; ``rngs``'s stream ``params`` draws the initial weights."""
    model = resnet_classifier((rgb_front_end(),), shape, dtype=dtype, rngs=rngs)
    normal, kernel = nnx.initializers.normal(HEAD_DEVIATION), model.classifier.kernel
    kernel.set_value(normal(rngs.params(), kernel.get_value().shape, jnp.float32))
    return model


def build(config: ConfigDict, dtype, rngs: nnx.Rngs) -> Classifier:
    """See ``System.build``."""
    return rgb_resnet(BACKBONES[config.backbone], dtype=dtype, rngs=rngs)


def imagenet_problems(config: ConfigDict) -> list[str]:
    """See ``System.problems``: whether ImageNet weights are read for another network."""
    model = config.model
    if not model.imagenet_weights or model.backbone == "torchvision_resnet50":
        return []
    return [
        f"model.imagenet_weights is {model.imagenet_weights!r} and model.backbone "
        f"{model.backbone}; ImageNet weights are read for torchvision_resnet50: give "
        "--config.model.backbone=torchvision_resnet50, or no weights"
    ]


def start_from_imagenet(
    config: ConfigDict, params: nnx.State, batch_stats: nnx.State
) -> tuple[nnx.State, nnx.State]:
    """See ``System.start``: torchvision's ResNet-50 in place of the backbone's random numbers."""
    if not config.imagenet_weights:
        return params, batch_stats
    arrays = load_state_dict(config.imagenet_weights)
    state = fill_state(nnx.merge_state(params, batch_stats), torch_weights.IMAGENET, arrays)
    return nnx.split_state(state, nnx.Param, nnx.BatchStat)


SYSTEM = System(
    build=build,
    rules={
        "backbone": choice(*BACKBONES),
        "imagenet_weights": text(empty="Kaiming's random weights"),
    },
    paper="Wang et al., CNN-generated images are surprisingly easy to spot, CVPR 2020",
    problems=imagenet_problems,
    start=start_from_imagenet,
    # The paper tests images at their own size, without a crop (section 4.1).
    published=Published(
        table=torch_weights.CNNDETECTION,
        build=lambda rngs: rgb_resnet(TORCHVISION_RESNET50, rngs=rngs),
        resize=0,
    ),
)
