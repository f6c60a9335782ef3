"""The registry of detectors: one file per system, one entry here, one config."""

from __future__ import annotations

import jax.numpy as jnp
from flax import nnx

from npr_jax.models.base import Model, add_learned_factors
from npr_jax.models.systems import (
    dire,
    freqnet,
    ladeda,
    metadata,
    multiscale,
    multiscale_attention,
    npr,
    rgb_resnet,
    safe,
    spectrum,
    univfd,
)
from npr_jax.models.systems.system import System

DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}

SYSTEMS: dict[str, System] = {
    "npr": npr.SYSTEM,
    "multiscale_attention": multiscale_attention.SYSTEM,
    "cnndetection": rgb_resnet.SYSTEM,
    "ladeda": ladeda.SYSTEM,
    "spectrum": spectrum.SYSTEM,
    "multiscale": multiscale.SYSTEM,
    "freqnet": freqnet.SYSTEM,
    "safe": safe.SYSTEM,
    "dire": dire.SYSTEM,
    "univfd": univfd.SYSTEM,
    "metadata": metadata.SYSTEM,
}


def build_model(config, rngs: nnx.Rngs, *, load: bool = True) -> Model:
    """The detector that the ``model`` section of a checked config describes.

    Args:
        config: attributes ``name``, ``dtype`` and the system's own settings (its recipe in
            configs/ explains them).
        rngs: the stream ``params`` draws the initial weights.
        load: whether what is frozen is read from its file; without, it has the shapes only.
    """
    system = SYSTEMS[config.name]
    model = system.build(config, DTYPES[config.dtype], rngs)
    add_learned_factors(model)
    return system.load(model, config) if load else model
