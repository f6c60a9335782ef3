"""What a run has trained: its network with a checkpoint's numbers, and how it prepares files."""

import pathlib
from typing import Any, NamedTuple

import jax
from flax import nnx
from ml_collections import ConfigDict

from input_pipeline.errors import UserError
from input_pipeline.images.preprocessing import Preprocessing, middle_quality
from input_pipeline.storage.whole_content import read_object
from npr_jax.detectors import frozen_weights
from npr_jax.detectors.run_config import load_config
from npr_jax.models.base import Frozen, Model
from npr_jax.models.systems.registry import build_model


class Trained(NamedTuple):
    """A run's checkpoint."""

    config: ConfigDict  # the run's
    model: Model  # with the checkpoint's numbers
    checkpoint: str  # 'best' or 'last': a run that has not been validated yet has no best
    step: int  # optimizer steps done
    learned_from: dict[str, Any]  # JSON values


def load_trained(workdir: pathlib.Path, checkpoint: str) -> Trained:
    """Reads a run's ``best`` or ``last`` checkpoint, and nothing that only training needs.

    ``UserError``: there is no run, no complete checkpoint, no record of what it learned from, or
    other frozen numbers than the run's.
    """
    # Here, because importing Orbax takes a while and detectors with a card do without.
    from npr_jax.detectors.checkpoint import restore_model

    config = load_config(workdir)
    frozen_weights.check(workdir, config.model, frozen_weights.fingerprint(config.model))
    model = nnx.eval_shape(lambda: build_model(config.model, nnx.Rngs(params=0), load=False))
    graphdef, params, batch_stats, frozen = nnx.split(model, nnx.Param, nnx.BatchStat, Frozen)
    if frozen:
        frozen = nnx.state(build_model(config.model, nnx.Rngs(params=0)), Frozen)
    own = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    shapes = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=own),
        {"params": params, "batch_stats": batch_stats},
    )
    which, step, read = restore_model(workdir, checkpoint, shapes)
    model = nnx.merge(graphdef, read["params"], read["batch_stats"], frozen)
    return Trained(config, model, which, step, learned_from=_training_data(workdir))


def _training_data(workdir: pathlib.Path) -> dict[str, Any]:
    path = workdir / "training_data.json"
    if not path.is_file():
        raise UserError(
            f"{workdir} has no training_data.json, which says what the run learned from; copy the "
            "whole run, or start its training command again, which writes the file anew"
        )
    return read_object(path, "copy the whole run, or start its training command again")


def preprocessing_of(config: ConfigDict) -> Preprocessing:
    """What a run's config says of files to be scored."""
    data = config.data
    return Preprocessing(
        resize=data.evaluate_resize,
        crop=data.evaluate_crop,
        small_images=data.small_images,
        multiple_of=2 if data.evaluate_even else 1,
        jpeg_quality=middle_quality(data.reencode),
    )
