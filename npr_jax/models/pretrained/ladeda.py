"""LaDeDa's weights (Cavia et al., 2024), under the names of the BagNet that it is built on.

Known from the papers: the layers and their shapes. Not known to us, since the published code was
not read: whether the residual is multiplied by NPR's 2/3 (we do), and whether its authors renamed
a layer (a file that differs is refused with the keys at fault).
"""

from __future__ import annotations

from flax import nnx

from npr_jax.models.patch_resnet import LADEDA9
from npr_jax.models.pretrained.published import Published
from npr_jax.models.pretrained.resnet_keys import bottleneck_rules, linear_rules, norm_rule
from npr_jax.models.pretrained.torch_weights import KeyRule, KeyTable, fixed, kernel, matrix
from npr_jax.models.systems.ladeda import LaDeDa
from npr_jax.residuals.front_end import paper_front_end

TABLE = KeyTable(
    title="the LaDeDa detector",
    rules=(
        KeyRule(r"conv1\.weight", fixed("backbone", "conv1", "kernel"), matrix),
        KeyRule(r"conv2\.weight", fixed("backbone", "conv2", "kernel"), kernel),
        norm_rule("bn1", "backbone", "bn1"),
        *bottleneck_rules("backbone"),
        *linear_rules("fc", "classifier"),
    ),
)


def _build(rngs: nnx.Rngs) -> LaDeDa:
    return LaDeDa(front_end=paper_front_end(0.5), shape=LADEDA9, rngs=rngs)


# As NPR, whose protocol and data it takes over.
PUBLISHED = Published(name="ladeda", table=TABLE, build=_build, resize=256)
