"""The settings of a noise predictor's run: what they may be, and which decide its batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ml_collections

from input_pipeline.errors import UserError
from npr_jax.config import broken_rules, flatten, refuse
from npr_jax.models.diffusion.noise_schedule import SCHEDULES
from npr_jax.models.diffusion.unet import UNetShape
from npr_jax.models.systems.setting_rules import (
    Rule,
    choice,
    integer,
    is_integer,
    number,
    several,
    text,
)


def _is_reductions(value: Any) -> bool:
    return isinstance(value, tuple | list) and all(is_integer(v) and v >= 1 for v in value)


RULES: Mapping[str, Rule] = {
    "seed": integer(0, 2**31 - 1),
    "unet.channels": integer(2),
    "unet.multipliers": several(integer(1), "a tuple of integers of at least 1, as (1, 2, 2)"),
    "unet.blocks": integer(1),
    "unet.attention": Rule(_is_reductions, "() or a tuple of reductions, as (4,)"),
    "unet.head_channels": integer(1),
    "unet.groups": integer(1),
    "schedule": choice(*SCHEDULES),
    "diffusion_steps": integer(20),
    "data.train_split": text(),
    "data.resize": integer(8, 4096, zero="native size"),
    "data.crop": integer(8, 4096),
    "data.workers": integer(0, 256),
    "batch_size": integer(1),
    "num_steps": integer(1),
    "learning_rate": number(0, 10),
    "ema": number(0, 1),
    "log_every_steps": integer(1),
    "checkpoint_every_steps": integer(1),
}
# May change on resumption: they decide when to stop, report and save.
_FREE = ("num_steps", "log_every_steps", "checkpoint_every_steps")
# Of section `data`; where the files lie may change, their content has a fingerprint.
_FIXED_DATA = ("train_split", "resize", "crop")


def unet_shape(config: ml_collections.ConfigDict) -> UNetShape:
    """The U-Net that section ``unet`` describes.

    Raises:
        ValueError: where its layers would not fit each other.
    """
    unet = config.unet
    return UNetShape(
        channels=unet.channels,
        multipliers=tuple(unet.multipliers),
        blocks=unet.blocks,
        attention=tuple(unet.attention),
        head_channels=unet.head_channels,
        groups=unet.groups,
    )


def image_side(config: ml_collections.ConfigDict) -> int:
    """Side in pixels of the images that the predictor learns from."""
    return config.data.resize or config.data.crop


def check_noise_config(config: ml_collections.ConfigDict) -> None:
    """Raises one ``ValueError`` that lists every wrong setting with its fix."""
    recipe = "configs/diffusion/noise_predictor.py"
    refuse(broken_rules(flatten(config), RULES, recipe=recipe))
    stride, side = unet_shape(config).stride, image_side(config)
    if side % stride:
        raise UserError(
            f"data.resize is {config.data.resize} and data.crop {config.data.crop}: images of "
            f"{side} pixels; expected a multiple of {stride}, the U-Net's largest reduction"
        )


def layout(config: ml_collections.ConfigDict, fingerprint: str) -> dict[str, Any]:
    """What must not change between the start of a run and its resumption, as JSON values."""
    settings = {key: config[key] for key in RULES if "." not in key and key not in _FREE}
    unet = {
        key: list(value) if isinstance(value, tuple | list) else value
        for key, value in config.unet.items()
    }
    data = {key: config.data[key] for key in _FIXED_DATA}
    return {"settings": settings | {"unet": unet, "data": data}, "data fingerprint": fingerprint}
