"""The settings of a noise predictor's run: what they may be, and which decide its batches."""

from __future__ import annotations

from typing import Any

import ml_collections

from npr_jax.diffusion.schedule import betas
from npr_jax.diffusion.unet import UNetShape

# May change on resumption: they decide when to stop, report and save, and where files lie.
_FREE = ("num_steps", "log_every_steps", "checkpoint_every_steps", "data")
_POSITIVE_INTEGERS = (
    "batch_size",
    "num_steps",
    "diffusion_steps",
    "log_every_steps",
    "checkpoint_every_steps",
)


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


def check_noise_config(config: ml_collections.ConfigDict) -> None:
    """Raises ``ValueError`` for settings that cannot be used, all at once."""
    problems = [
        f"{key} is {config.get(key)!r}; expected an integer of at least 1"
        for key in _POSITIVE_INTEGERS
        if not isinstance(config.get(key), int) or config[key] < 1
    ]
    for key, low, high in (("learning_rate", 0, 10), ("ema", 0, 1)):
        value = config.get(key)
        if not isinstance(value, int | float) or not low < value < high:
            problems.append(f"{key} is {value!r}; expected a number above {low} and below {high}")
    if "unet" not in config:
        problems.append("unet is missing; begin from configs/noise_predictor.py")
    if problems:
        raise ValueError("the config cannot be used:\n  " + "\n  ".join(problems))
    betas(config.schedule, config.diffusion_steps)
    stride = unet_shape(config).stride
    sides = (config.data.resize, config.data.crop)
    side = sides[0] or sides[1]
    if side < 8 or side % stride:
        raise ValueError(
            f"data.resize is {sides[0]} and data.crop {sides[1]}: images of {side} pixels; "
            f"expected at least 8 and a multiple of {stride}, the U-Net's largest reduction"
        )


def layout(config: ml_collections.ConfigDict, fingerprint: str) -> dict[str, Any]:
    """What must not change between the start of a run and its resumption, as JSON values."""
    settings = {key: value for key, value in config.to_dict().items() if key not in _FREE}
    settings["unet"] = {
        key: list(value) if isinstance(value, tuple | list) else value
        for key, value in settings["unet"].items()
    }
    data = {key: config.data[key] for key in ("train_split", "resize", "crop")}
    return {"settings": settings, "data": data, "data fingerprint": fingerprint}
