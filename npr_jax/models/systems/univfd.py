"""UnivFD as a system: CLIP's frozen numbers into its tower, and what its data must look like."""

from __future__ import annotations

import logging
import pathlib

import ml_collections
from flax import nnx

from input_pipeline.errors import UserError
from npr_jax.models.base import Model
from npr_jax.models.clip import VIT_L14, ClipShape
from npr_jax.models.pretrained.clip_weights import load_head, load_tower
from npr_jax.models.systems.setting_rules import integer, text
from npr_jax.models.systems.system import System
from npr_jax.models.univfd import UnivFD

_LOG = logging.getLogger(__name__)

_SHAPE_SETTINGS = ("image_side", "patch", "width", "layers", "heads", "hidden", "projection")
# Of the tower without published weights. Not the run's: a detector that is loaded must find the
# same numbers as its training had.
_TOWER_SEED = 0


def load_univfd(
    head: str | pathlib.Path, tower: str | pathlib.Path, shape: ClipShape = VIT_L14
) -> UnivFD:
    """The published UnivFD detector from its linear layer's file and CLIP's.

    Raises:
        ValueError: where a file cannot be read or does not fit; see ``clip_weights.fill_tower``.
    """
    model = UnivFD(shape, rngs=nnx.Rngs(0))
    model.classifier = load_head(model.classifier, head)
    model.tower = load_tower(model.tower, tower)
    return model


def _shape(config: ml_collections.ConfigDict) -> ClipShape:
    return ClipShape(**{key: config[key] for key in _SHAPE_SETTINGS})


def _build(config: ml_collections.ConfigDict, dtype, rngs: nnx.Rngs) -> UnivFD:
    tower_rngs = None if config.weights else nnx.Rngs(params=_TOWER_SEED)
    return UnivFD(_shape(config), dtype=dtype, tower_rngs=tower_rngs, rngs=rngs)


def _load(model: Model, config: ml_collections.ConfigDict) -> Model:
    if not isinstance(model, UnivFD):
        raise UserError(f"a {type(model).__name__} has no vision tower; expected a UnivFD")
    if config.weights:
        model.tower = load_tower(model.tower, config.weights)
    else:
        _LOG.warning(
            "model.weights is empty: CLIP's vision tower holds RANDOM numbers. This tries the "
            "path from images to scores and detects nothing; give published weights with "
            "--config.model.weights=FILE"
        )
    return model


def _problems(config: ml_collections.ConfigDict) -> list[str]:
    try:
        side = _shape(config.model).image_side
    except ValueError as error:
        return [f"model: {error}"]
    data = config.data
    problems = [
        f"data.{key} is {data[key]}, but the vision tower takes images of {side} pixels; give "
        f"--config.data.{key}={side}"
        for key in ("crop", "validation_crop", "evaluate_crop")
        if data[key] != side
    ]
    if data.flip:
        problems.append(
            "data.flip is True, but an image's embedding is computed once, of the image as it "
            "is; give --config.data.flip=False"
        )
    return problems


SYSTEM = System(
    build=_build,
    rules={
        "weights": text(empty="random numbers, only to try the path"),
        **{key: integer(1) for key in _SHAPE_SETTINGS},
    },
    paper="Ojha et al., Towards Universal Fake Image Detectors ..., CVPR 2023",
    problems=_problems,
    load=_load,
    frozen_file="weights",
    trains_head_only=True,
)
