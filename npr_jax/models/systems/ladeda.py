"""LaDeDa: the NPR residual judged patch by patch, each of 9x9 pixels, and averaged.

Cavia et al., "Real-Time Deepfake Detection in the Real-World", 2024, section 3. The linear
layer may come before the mean over patches or after it.
"""

import jax.numpy as jnp
from flax import nnx
from ml_collections import ConfigDict

from npr_jax.models.classifier import Classifier
from npr_jax.models.patch_resnet import LADEDA9, PATCH_SHAPES, PatchResNet, PatchShape
from npr_jax.models.pretrained import torch_weights
from npr_jax.models.systems.system import (
    FRONT_END_RULES,
    Published,
    System,
    choice,
    front_ends_of,
    number,
    one_residual_problems,
)
from npr_jax.residuals.front_end import FrontEnd, paper_front_end


def ladeda(
    front_end: FrontEnd,
    shape: PatchShape,
    *,
    stem_momentum: float = 0.001,
    dtype=jnp.float32,
    rngs: nnx.Rngs,
) -> Classifier:
    """A patch ResNet on one view; see ``PatchResNet`` for the arguments."""
    backbone = PatchResNet(shape, stem_momentum=stem_momentum, dtype=dtype, rngs=rngs)
    return Classifier((front_end,), backbone, rngs=rngs)


def _build(config: ConfigDict, dtype, rngs: nnx.Rngs) -> Classifier:
    [front_end] = front_ends_of(config)
    shape, momentum = PATCH_SHAPES[config.backbone], config.stem_momentum
    return ladeda(front_end, shape, stem_momentum=momentum, dtype=dtype, rngs=rngs)


SYSTEM = System(
    build=_build,
    rules=FRONT_END_RULES
    | {"backbone": choice(*PATCH_SHAPES), "stem_momentum": number(0, 1, closed=True)},
    paper="Cavia et al., Real-Time Deepfake Detection in the Real-World, 2024",
    problems=lambda config: one_residual_problems(config.model),
    published=Published(
        table=torch_weights.LADEDA,
        build=lambda rngs: ladeda(paper_front_end(0.5), LADEDA9, rngs=rngs),
        resize=256,  # as NPR, whose protocol and data it takes over
    ),
)
