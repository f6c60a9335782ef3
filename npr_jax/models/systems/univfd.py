"""UnivFD: a frozen CLIP image embedding and one trained linear layer."""

import logging
import pathlib
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from ml_collections import ConfigDict

from input_pipeline.errors import UserError
from npr_jax.models import layers
from npr_jax.models.base import Frozen, Grid, Maps, Mask, Model, Prediction
from npr_jax.models.clip import CLIP_MEAN, CLIP_STD, VIT_L14, ClipShape, ClipVision
from npr_jax.models.pretrained.clip_weights import load_head, load_tower
from npr_jax.models.systems.system import System, integer, text
from npr_jax.residuals.front_end import rgb_front_end


class UnivFD(nnx.Module):
    """Ojha et al., "Towards Universal Fake Image Detectors ...", CVPR 2023, section 4.2.

    769 trained parameters on the 768 features of ViT-L/14, which are not scaled to length 1.
    """

    whole = True
    scales = ()

    def __init__(
        self,
        shape: ClipShape = VIT_L14,
        *,
        dtype=jnp.float32,
        tower_rngs: nnx.Rngs | None = None,
        rngs: nnx.Rngs,
    ):
        """``dtype`` is of the tower's arithmetic; the linear layer's is float32.

        ``tower_rngs`` draws the tower's numbers, None: they are zero, to be loaded; ``rngs`` the
        layer's.
        """
        self.front_ends = (rgb_front_end(CLIP_MEAN, CLIP_STD),)
        self.grids = (Grid(stride=1, reach=shape.image_side),)
        self.image_side = shape.image_side
        self.tower = ClipVision(shape, kind=Frozen, dtype=dtype, rngs=tower_rngs)
        self.classifier = layers.torch_linear(shape.projection, 1, rngs=rngs)

    def feature_maps(self, views: Maps, mask: Mask, examples: Mask) -> Maps:
        """See ``npr_jax.models.base.Model``; one position, the embedding."""
        del mask, examples
        return [self.tower(views[0])[:, None, None, :]]

    def head(self, features: Sequence[jax.Array]) -> Prediction:
        """See ``npr_jax.models.base.Model``."""
        return Prediction(self.classifier(features[0])[:, 0], None)


_LOG = logging.getLogger(__name__)

_SHAPE_SETTINGS = ("image_side", "patch", "width", "layers", "heads", "hidden", "projection")
# Of the tower without published weights. Not the run's: a detector that is loaded must find the
# same numbers as its training had.
_TOWER_SEED = 0


def load_univfd(
    head: str | pathlib.Path, tower: str | pathlib.Path, shape: ClipShape = VIT_L14
) -> UnivFD:
    """The published UnivFD detector from its linear layer's file and CLIP's."""
    model = UnivFD(shape, rngs=nnx.Rngs(0))
    model.classifier = load_head(model.classifier, head)
    model.tower = load_tower(model.tower, tower)
    return model


def _shape(config: ConfigDict) -> ClipShape:
    return ClipShape(**{key: config[key] for key in _SHAPE_SETTINGS})


def _build(config: ConfigDict, dtype, rngs: nnx.Rngs) -> UnivFD:
    tower_rngs = None if config.weights else nnx.Rngs(params=_TOWER_SEED)
    return UnivFD(_shape(config), dtype=dtype, tower_rngs=tower_rngs, rngs=rngs)


def _load(model: Model, config: ConfigDict) -> Model:
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


def _problems(config: ConfigDict) -> list[str]:
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
