"""FreqNet as a system: Tan et al., "Frequency-Aware Deepfake Detection", AAAI 2024."""

from __future__ import annotations

import ml_collections
from flax import nnx

from npr_jax.models.freqnet import FreqNet
from npr_jax.models.pretrained import key_tables
from npr_jax.models.systems.setting_rules import integer
from npr_jax.models.systems.system import Published, System


def _build(config: ml_collections.ConfigDict, dtype, rngs: nnx.Rngs) -> FreqNet:
    return FreqNet(width=config.width, dtype=dtype, rngs=rngs)


SYSTEM = System(
    build=_build,
    rules={"width": integer(1, 1024)},
    paper="Tan et al., Frequency-Aware Deepfake Detection, AAAI 2024",
    published=Published(
        table=key_tables.FREQNET, build=lambda rngs: FreqNet(rngs=rngs), resize=256
    ),
)
