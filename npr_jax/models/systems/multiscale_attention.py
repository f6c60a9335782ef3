"""Several residual scales, one branch each, and a softmax that weighs them per image.

The system of the published description; ``multiscale`` has it as ``fusion`` ``attention`` beside
the other heads, with branches that can be shared or run as one.
"""

from __future__ import annotations

import ml_collections
from flax import nnx

from npr_jax.models.fusion import Attention
from npr_jax.models.resnet import BACKBONES
from npr_jax.models.systems.front_end_settings import FRONT_END_RULES, front_ends_of
from npr_jax.models.systems.setting_rules import choice, integer
from npr_jax.models.systems.system import System


def _build(config: ml_collections.ConfigDict, dtype, rngs: nnx.Rngs) -> Attention:
    return Attention(
        front_ends=front_ends_of(config),
        backbone=BACKBONES[config.backbone],
        attention_features=config.attention_features,
        dtype=dtype,
        rngs=rngs,
    )


SYSTEM = System(
    build=_build,
    rules=FRONT_END_RULES
    | {"backbone": choice(*BACKBONES), "attention_features": integer(1, 65536)},
    paper="this project: attention over residual scales, after the NPR residual",
)
