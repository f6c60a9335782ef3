"""SAFE's published weights (Li et al., KDD 2025): NPR's keys, a head ``fc1`` of two rows.

The keys are those of the code that SAFE builds on; we have not seen a file. The two rows of the
head tell the file from NPR's.
"""

from __future__ import annotations

import dataclasses

from flax import nnx

from npr_jax.models.pretrained import npr
from npr_jax.models.pretrained.published import Published
from npr_jax.models.resnet import CUT_RESNET50
from npr_jax.models.systems.safe import SAFE, safe_front_end

TABLE = dataclasses.replace(npr.TABLE, title="SAFE")


def _build(rngs: nnx.Rngs) -> SAFE:
    return SAFE(front_end=safe_front_end(), backbone=CUT_RESNET50, rngs=rngs)


# Its published evaluation cuts the centre 256 pixels at native size.
PUBLISHED = Published(name="safe", table=TABLE, build=_build, resize=0, crop=256)
