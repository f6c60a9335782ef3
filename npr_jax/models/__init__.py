"""The registry of detectors: one file per system, one entry here, one config."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx

from npr_jax.models.base import Model, Placement, Prediction, feature_sums, predict
from npr_jax.models.multiscale_attention import MultiscaleAttention
from npr_jax.models.npr import NPR
from npr_jax.models.resnet import CUT_RESNET50, LIGHT_RESNET, RESNET50

__all__ = [
    "BACKBONES",
    "DTYPES",
    "SYSTEMS",
    "Model",
    "Placement",
    "Prediction",
    "build_model",
    "count_parameters",
    "feature_sums",
    "predict",
]

BACKBONES = {"cut_resnet50": CUT_RESNET50, "light_resnet": LIGHT_RESNET, "resnet50": RESNET50}
DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


def _build_npr(config, dtype, rngs: nnx.Rngs) -> NPR:
    return NPR(
        factor=config.factors[0],
        mode=config.mode,
        backbone=BACKBONES[config.backbone],
        dtype=dtype,
        rngs=rngs,
    )


def _build_multiscale_attention(config, dtype, rngs: nnx.Rngs) -> MultiscaleAttention:
    return MultiscaleAttention(
        factors=tuple(config.factors),
        mode=config.mode,
        backbone=BACKBONES[config.backbone],
        attention_features=config.attention_features,
        dtype=dtype,
        rngs=rngs,
    )


SYSTEMS: dict[str, Callable[..., Model]] = {
    "npr": _build_npr,
    "multiscale_attention": _build_multiscale_attention,
}


def build_model(config, rngs: nnx.Rngs) -> Model:
    """The detector that the ``model`` section of a checked config describes.

    Args:
        config: attributes ``name``, ``factors``, ``mode``, ``backbone``, ``dtype``
            (see configs/default.py) and what the system itself needs.
        rngs: the stream ``params`` draws the initial weights.
    """
    return SYSTEMS[config.name](config, DTYPES[config.dtype], rngs)


def count_parameters(model: Model) -> int:
    """Trained numbers of a model; running statistics do not count."""
    return sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param)))
