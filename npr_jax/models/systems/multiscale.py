"""Residuals at several scales and the ways to fuse them, chosen by config."""

import math
from typing import Any

from flax import nnx
from ml_collections import ConfigDict

from npr_jax.models import fusion
from npr_jax.models.base import Model
from npr_jax.models.classifier import resnet_classifier
from npr_jax.models.cross_attention import Cross
from npr_jax.models.resnet import BACKBONES
from npr_jax.models.systems.system import (
    BOOLEAN,
    FRONT_END_RULES,
    Rule,
    System,
    choice,
    front_end_count,
    front_ends_of,
    integer,
    is_real,
)

# By name: the model, and which settings it takes besides front ends and backbone.
BRANCHES = ("share_branches", "batch_branches")
FUSIONS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "stack": (resnet_classifier, ()),
    "mean": (fusion.Mean, BRANCHES),
    "concatenation": (fusion.Concatenation, BRANCHES),
    "fixed": (fusion.Fixed, (*BRANCHES, "scale_weights")),
    "attention": (fusion.Attention, (*BRANCHES, "attention_features")),
    "spatial": (fusion.Spatial, (*BRANCHES, "attention_features")),
    "cross": (Cross, (*BRANCHES, "attention_features", "attention_heads")),
}


def _is_scale_weights(value: Any) -> bool:
    if not isinstance(value, tuple | list):
        return False
    numbers = all(is_real(v) and 0 <= v < math.inf for v in value)
    return numbers and (not value or sum(value) > 0)


def _build(config: ConfigDict, dtype, rngs: nnx.Rngs) -> Model:
    model, names = FUSIONS[config.fusion]
    settings = {name: config[name] for name in names}
    return model(
        front_ends=front_ends_of(config),
        backbone=BACKBONES[config.backbone],
        dtype=dtype,
        rngs=rngs,
        **settings,
    )


def _problems(config: ConfigDict) -> list[str]:
    model, problems = config.model, []
    _, names = FUSIONS[model.fusion]
    weights, count = tuple(model.scale_weights), front_end_count(model)
    if "scale_weights" in names and len(weights) != count:
        problems.append(
            f"model.scale_weights is {weights} for model.fusion {model.fusion} and {count} "
            "residuals; give one weight for each, as (0.5, 0.25, 0.25)"
        )
    if "scale_weights" not in names and weights:
        problems.append(
            f"model.scale_weights is {weights}, but model.fusion {model.fusion} has none; "
            "use () or model.fusion fixed"
        )
    if "attention_heads" in names and model.attention_features % model.attention_heads:
        problems.append(
            f"model.attention_features is {model.attention_features}, no multiple of "
            f"model.attention_heads, {model.attention_heads}; use 128 and 4, for example"
        )
    problems += [
        f"model.{name} is True, but model.fusion {model.fusion} has no branches; "
        "set it to False or take another fusion, as mean"
        for name in BRANCHES
        if model[name] and name not in names
    ]
    if model.share_branches and model.batch_branches and "share_branches" in names:
        problems.append(
            "model.batch_branches is True, but with model.share_branches there is one network "
            "only, which gets all residuals as one batch anyway; set one of the two to False"
        )
    return problems


SYSTEM = System(
    build=_build,
    rules=FRONT_END_RULES
    | {
        "backbone": choice(*BACKBONES),
        "fusion": choice(*FUSIONS),
        "share_branches": BOOLEAN,
        "batch_branches": BOOLEAN,
        "attention_features": integer(1, 65536),
        "attention_heads": integer(1, 256),
        "scale_weights": Rule(
            _is_scale_weights, "() or numbers of at least 0, not all 0, as (0.5, 0.25, 0.25)"
        ),
    },
    paper="this project: ways to fuse residual scales, after the NPR residual",
    problems=_problems,
)
