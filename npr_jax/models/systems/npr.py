"""NPR: one residual, a ResNet cut after its second stage, one logit.

Tan et al., "Rethinking the Up-Sampling Operations in CNN-Based Generative Network for Generalizable
Deepfake Detection", CVPR 2024, section 3; 1,437,761 parameters with the cut ResNet-50.
"""

from npr_jax.models.classifier import resnet_classifier
from npr_jax.models.pretrained import torch_weights
from npr_jax.models.resnet import BACKBONES, CUT_RESNET50
from npr_jax.models.systems.system import (
    FRONT_END_RULES,
    Published,
    System,
    choice,
    front_ends_of,
    one_residual_problems,
)
from npr_jax.residuals.front_end import paper_front_end

SYSTEM = System(
    build=lambda config, dtype, rngs: resnet_classifier(
        front_ends_of(config), BACKBONES[config.backbone], dtype=dtype, rngs=rngs
    ),
    rules=FRONT_END_RULES | {"backbone": choice(*BACKBONES)},
    paper="Tan et al., Rethinking the Up-Sampling Operations ..., CVPR 2024",
    problems=lambda config: one_residual_problems(config.model),
    published=Published(
        table=torch_weights.NPR,
        build=lambda rngs: resnet_classifier((paper_front_end(0.5),), CUT_RESNET50, rngs=rngs),
        resize=256,
    ),
)
