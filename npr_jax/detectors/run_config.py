"""The config that a run was started with, as its directory keeps it."""

import pathlib
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from input_pipeline.errors import UserError
from input_pipeline.images.random_delivery import RandomDelivery
from input_pipeline.storage.whole_content import read_object, whole_content
from npr_jax.config import broken_rules, check_config, flatten, refuse, rules_of
from npr_jax.models.systems.registry import current_settings

# Settings that runs of version 1 do not name, and what they did; ranges as JSON has them.
SINCE_VERSION_1: dict[str, Any] = {
    "best_checkpoint": "validation_ap",
    "ema": 0.0,
    "consistency": 0.0,
    "data.images_per_epoch": 0,
    "data.balance_power": 0.0,
    "data.couples": False,
    "data.cache": 0,
    "data.blend_probability": 0.0,
    "data.blend_share": [0.3, 1.0],
    "data.random_delivery.on": False,
    **{
        f"data.random_delivery.{name}": list(value) if isinstance(value, tuple) else value
        for name, value in vars(RandomDelivery()).items()
    },
    "data.augment.invisible_mark_probability": 0.0,
}


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """What ``flatten`` made flat."""
    settings: dict[str, Any] = {}
    for key, value in flat.items():
        *sections, name = key.split(".")
        section = settings
        for part in sections:
            section = section.setdefault(part, {})
        section[name] = value
    return settings


def _tuples(value: Any) -> Any:
    """As it was before JSON, which has no tuples: every list of a config is one."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def checked_model(saved: Mapping[str, Any]) -> ConfigDict:
    """The ``model`` section of a config from JSON; ``UserError`` where it cannot be used."""
    values = _tuples(current_settings(saved))
    settings = flatten({"model": values})
    rules = {key: rule for key, rule in rules_of(values.get("name")).items() if key[:6] == "model."}
    problems = [f"{key}: no such setting" for key in sorted(settings.keys() - rules.keys())]
    refuse(problems + broken_rules(settings, rules, recipe="configs/default.py"))
    return ConfigDict(values)


def load_config(workdir: pathlib.Path) -> ConfigDict:
    """The checked config of a run; ``UserError`` where there is none, or it cannot be used."""
    path = workdir / "config.json"
    if not path.is_file():
        raise UserError(f"{workdir} holds no run (no config.json); give the --workdir of one")
    remedy = "copy the run again, or train it anew"
    settings = read_object(path, remedy)
    with whole_content(path, remedy):
        settings = nested(SINCE_VERSION_1 | flatten(settings))
        if isinstance(settings.get("model"), dict):
            settings["model"] = current_settings(settings["model"])
        config = ConfigDict(_tuples(settings), convert_dict=True)
        check_config(config)
    return config
