"""NPR's published weights (Tan et al., CVPR 2024): torchvision's keys, the head named ``fc1``."""

from __future__ import annotations

from flax import nnx

from npr_jax.models.pretrained.published import Published
from npr_jax.models.pretrained.resnet_keys import bottleneck_rules, linear_rules, stem_rules
from npr_jax.models.pretrained.torch_weights import KeyTable
from npr_jax.models.resnet import CUT_RESNET50
from npr_jax.models.systems.npr import NPR
from npr_jax.residuals.front_end import paper_front_end

TABLE = KeyTable(
    title="the NPR detector",
    rules=(
        *stem_rules("backbone"),
        *bottleneck_rules("backbone"),
        *linear_rules("fc1", "classifier"),
    ),
)


def _build(rngs: nnx.Rngs) -> NPR:
    return NPR(front_end=paper_front_end(0.5), backbone=CUT_RESNET50, rngs=rngs)


PUBLISHED = Published(name="npr", table=TABLE, build=_build, resize=256)
