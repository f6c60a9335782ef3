"""The registry of systems: one file per system, one entry here, one config.

It also knows whose published weights a state dict holds.
"""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from flax import nnx

from input_pipeline.errors import UserError
from npr_jax.models.base import Model, add_learned_factors
from npr_jax.models.pretrained.torch_weights import Arrays, fill, problems_of, refusal
from npr_jax.models.systems import (
    cnndetection,
    dire,
    freqnet,
    ladeda,
    metadata,
    multiscale,
    npr,
    safe,
    spectrum,
    univfd,
)
from npr_jax.models.systems.system import Published, System

DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}

SHOWN = 20  # problems of the nearest system that a refusal lists
# Of systems that share all keys of their published weights the likelier comes first.
_FILES = (npr, cnndetection, ladeda, spectrum, multiscale, freqnet, safe, dire, univfd, metadata)
SYSTEMS: dict[str, System] = {file.__name__.rpartition(".")[2]: file.SYSTEM for file in _FILES}


def build_model(config, rngs: nnx.Rngs, *, load: bool = True) -> Model:
    """The detector that the ``model`` section of a checked config describes.

    ``rngs``'s stream ``params`` draws the initial weights. Without ``load``, what is frozen has its
    shapes only and is not read from its file.
    """
    system = SYSTEMS[config.name]
    model = system.build(config, DTYPES[config.dtype], rngs)
    add_learned_factors(model)
    return system.load(model, config) if load else model


def current_settings(model: Mapping[str, Any]) -> dict[str, Any]:
    """The ``model`` section of a run's config as this version has it.

    Version 1 had ``multiscale_attention`` as a system of its own: the same network as
    ``multiscale`` with fusion ``attention``, with the same names of parameters.
    """
    if model.get("name") != "multiscale_attention":
        return dict(model)
    fixed = {"share_branches": False, "batch_branches": False, "attention_heads": 4}
    return {**model, "name": "multiscale", "fusion": "attention", "scale_weights": (), **fixed}


def published_weights() -> dict[str, Published]:
    """What is known of the systems whose authors publish weights, by the system's name."""
    return {name: system.published for name, system in SYSTEMS.items() if system.published}


def recognise(arrays: Arrays, name: str = "") -> tuple[str, Published, Model]:
    """The system that the arrays are the published weights of, what is known of them, the model.

    Torch names, with or without ``num_batches_tracked``, to arrays in torch's layout. ``name`` is
    the system, where several share all keys; empty: the first that fits. ``UserError`` if no system
    fits, with the problems of the nearest one, or for an unknown name.
    """
    candidates = known = published_weights()
    if name:
        if name not in known:
            raise UserError(f"no published weights of {name!r} are known; known: {list(known)}")
        candidates = {name: known[name]}
    found: list[tuple[list[str], Published]] = []
    for system, published in candidates.items():
        abstract = published.abstract()
        problems = problems_of(published.table, abstract, arrays)
        if not problems:
            return system, published, fill(abstract, published.table, arrays)
        found.append((problems, published))
    problems, nearest = min(found, key=lambda item: len(item[0]))
    message = refusal(nearest.table, problems, SHOWN)
    others = [f"{other.table.title} ({len(p)})" for p, other in found if other is not nearest]
    if others:
        message += f"\nof other systems even more does not fit: {', '.join(others)}"
    raise UserError(message)
