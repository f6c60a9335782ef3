"""Checks a config before any work: every key, type and value, all problems at once."""

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from input_pipeline.errors import UserError
from input_pipeline.images.augmentations import JPEG_CODECS
from input_pipeline.images.transforms import RESIZE_MODES, SMALL_IMAGES
from input_pipeline.loading.sampling import BALANCES
from input_pipeline.storage.path_lists import split_paths
from npr_jax.models.systems.registry import DTYPES, SYSTEMS
from npr_jax.models.systems.system import (
    BOOLEAN,
    FRONT_END_RULES,
    PROBABILITY,
    Rule,
    choice,
    front_end_problems,
    integer,
    is_integer,
    is_real,
    number,
    pair,
    several,
    text,
)

SCHEDULES = ("step", "cosine", "plateau")  # of the learning rate, see training/train_state.py


def _is_codecs(value: Any) -> bool:
    known = several(choice(*JPEG_CODECS), "").accepts(value)
    return known and len(set(value)) == len(value)


_QUALITIES = pair(1, 100, "qualities", is_integer)


def _is_paths(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(split_paths(value, "data.path") or not value)
    except UserError:
        return False


def _is_weights(value: Any) -> bool:
    return value in ((), []) or several(number(0, math.inf), "").accepts(value)


_SHARE = Rule(lambda value: is_real(value) and 0 <= value < 1, "a number from 0 to below 1")
# Of every system; what its own section `model` holds besides is the system's (npr_jax.models).
RULES: dict[str, Rule] = {
    "seed": integer(0, 2**31 - 1),
    "model.name": choice(*SYSTEMS),
    "model.dtype": choice(*DTYPES),
    "data.path": Rule(
        _is_paths, "a directory, or several separated by commas; empty for the embedded simulation"
    ),
    "data.weights": Rule(
        _is_weights, "() or a positive number for each directory of data.path, as (3, 1)"
    ),
    "data.balance": choice(*BALANCES),
    "data.balance_power": PROBABILITY,
    "data.images_per_epoch": integer(2, zero="as many as there are"),
    "data.couples": BOOLEAN,
    "data.blend_probability": PROBABILITY,
    "data.blend_share": pair(0, 1),
    "data.fraction": number(0, 1, closed=True),
    "data.max_per_class": integer(1, zero="no limit"),
    "data.train_split": text(),
    "data.validation_split": text(empty="hold out part of the training split"),
    "data.validation_fraction": number(0, 1),
    "data.test_split": text(),
    "data.resize": integer(32, 4096, zero="native size"),
    "data.resize_mode": choice(*RESIZE_MODES),
    "data.host_crop": integer(32, 4096, zero="none"),
    "data.small_images": choice(*SMALL_IMAGES),
    "data.crop": integer(32, 4096),
    "data.flip": BOOLEAN,
    "data.reencode": Rule(
        lambda value: value in ((), []) or _QUALITIES.accepts(value),
        "() or two JPEG qualities from 1 to 100, lowest first",
    ),
    "data.augment.invisible_mark_probability": PROBABILITY,
    "data.augment.blur_probability": PROBABILITY,
    "data.augment.blur_sigma": pair(0, 100),
    "data.augment.jpeg_probability": PROBABILITY,
    "data.augment.jpeg_quality": _QUALITIES,
    "data.augment.jpeg_codecs": Rule(
        _is_codecs, f"a tuple of one or more of {', '.join(JPEG_CODECS)}, each once"
    ),
    "data.augment.webp_probability": PROBABILITY,
    "data.augment.webp_quality": _QUALITIES,
    "data.augment.rotation": Rule(
        lambda value: is_real(value) and 0 <= value <= 180, "degrees from 0 (none) to 180"
    ),
    "data.augment.rotation_bilinear": BOOLEAN,
    "data.augment.color_jitter": PROBABILITY,
    "data.augment.mask_probability": PROBABILITY,
    "data.augment.mask_patch": integer(1, 4096),
    "data.augment.mask_ratio": pair(0, 1),
    "data.random_delivery.on": BOOLEAN,
    "data.random_delivery.thumbnail_probability": PROBABILITY,
    "data.random_delivery.thumbnail_edge": integer(32, 65_500),
    "data.random_delivery.scale_probability": PROBABILITY,
    "data.random_delivery.scale": pair(0.05, 4),
    "data.random_delivery.blur_probability": PROBABILITY,
    "data.random_delivery.blur_sigma": pair(0, 100),
    "data.random_delivery.noise_probability": PROBABILITY,
    "data.random_delivery.noise_sigma": pair(0, 255),
    "data.random_delivery.jpeg_probability": PROBABILITY,
    "data.random_delivery.jpeg_quality": _QUALITIES,
    "data.random_delivery.webp_probability": PROBABILITY,
    "data.random_delivery.webp_quality": _QUALITIES,
    "data.random_delivery.second_jpeg_probability": PROBABILITY,
    "data.random_delivery.lossless_jpeg_probability": PROBABILITY,
    "data.random_delivery.lossless_jpeg_quality": _QUALITIES,
    "data.random_delivery.on_grid_probability": PROBABILITY,
    "data.validation_crop": integer(32, 4096),
    "data.evaluate_resize": integer(32, 4096, zero="native size"),
    "data.evaluate_crop": integer(32, 4096, zero="none"),
    "data.evaluate_even": BOOLEAN,
    "data.delivery": choice("clean", "web", "hard"),
    "data.workers": integer(0, 256),
    "data.prefetch": integer(1, 64),
    "data.cache": integer(1, 10**6, zero="none"),
    "data.photos": text(empty="rendered scenes"),
    "data.simulation.directory": text(empty="`simulation` in the workdir"),
    "data.simulation.size": Rule(
        lambda value: is_integer(value) and 32 <= value <= 512 and value % 8 == 0,
        "a multiple of 8 from 32 to 512",
    ),
    "data.simulation.train_family": text(),
    "data.simulation.train_per_class": integer(1),
    "data.simulation.validation_per_class": integer(1),
    "data.simulation.test_per_family": integer(1),
    "optimizer.learning_rate": number(0, 10),
    "optimizer.b1": number(0, 1),
    "optimizer.b2": number(0, 1),
    "optimizer.decay_rate": number(0, 1, closed=True),
    "optimizer.decay_every_epochs": integer(1),
    "optimizer.name": choice("adam", "adamw"),
    "optimizer.weight_decay": _SHARE,
    "optimizer.schedule": choice(*SCHEDULES),
    "optimizer.plateau_epochs": integer(1),
    "optimizer.plateau_improvement": number(0, 1),
    "optimizer.min_learning_rate": number(0, 10),
    "optimizer.warmup_epochs": integer(0),
    "label_smoothing": _SHARE,
    "ema": _SHARE,
    "consistency": Rule(lambda value: is_real(value) and value >= 0, "a number of at least 0"),
    "batch_size": integer(2),
    "num_epochs": integer(1),
    "best_checkpoint": choice("validation_ap", "last"),
    "early_stopping_epochs": integer(1, zero="never"),
    "log_every_steps": integer(1),
    "checkpoint_every_steps": integer(1, zero="at the end of epochs only"),
}

# Of a sweep's own settings, which npr_jax.sweep.grid checks, only what to say of them.
_SWEEP_RULES: dict[str, Rule] = {
    "seeds": Rule(lambda value: True, 'a tuple of integers, as "(0,1,2)"'),
    "variants": Rule(lambda value: True, "what a file in configs/sweeps gives"),
    "grid": Rule(lambda value: True, "a tuple of (setting, values)"),
}


def check_config(config: ConfigDict) -> None:
    """Raises one ``UserError`` that lists every wrong key, type and value with its fix."""
    if "base" in config:
        raise UserError("the config is a sweep's; use `python main.py sweep` with it")
    refuse(problems_of(config))


def problems_of(config: ConfigDict) -> list[str]:
    """A line for every wrong key, type and value, with its fix."""
    settings = flatten(config)
    system = settings.get("model.name")
    rules = rules_of(system)
    if system not in SYSTEMS:
        # The name is the problem; what else the section holds belongs to what was meant.
        settings = {k: v for k, v in settings.items() if k in rules or k[:6] != "model."}
    problems = [
        f"{key}: no such setting{_suggest(key, rules)}" for key in settings.keys() - rules.keys()
    ]
    problems += broken_rules(settings, rules, recipe="configs/default.py")
    return problems or _contradictions(config)


def broken_rules(
    settings: Mapping[str, Any], rules: Mapping[str, Rule], *, recipe: str
) -> list[str]:
    """What is missing from flat settings, or has a value that its rule does not accept."""
    problems = []
    for key, rule in rules.items():
        if key not in settings:
            problems.append(f"{key}: missing; expected {rule.allowed}; see {recipe}")
        elif not rule.accepts(settings[key]):
            problems.append(
                f"{key} is {settings[key]!r}; expected {rule.allowed}; "
                f"set it with --config.{key}=..."
            )
    return problems


def refuse(problems: Sequence[str]) -> None:
    """Raises ``UserError`` with a line for each problem, if there are any."""
    if problems:
        raise UserError("the config cannot be used:\n  " + "\n  ".join(problems))


def rules_of(system: Any) -> dict[str, Rule]:
    """What each setting of a config with this ``model.name`` may be."""
    if system not in SYSTEMS:
        return dict(RULES)
    return RULES | {f"model.{key}": rule for key, rule in SYSTEMS[system].rules.items()}


def flatten(config: Mapping, prefix: str = "") -> dict[str, Any]:
    """The settings of nested sections by their dotted names."""
    flat = {}
    for key, value in config.items():
        if isinstance(value, Mapping | ConfigDict):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat


def _suggest(key: str, rules: Mapping[str, Rule]) -> str:
    """The setting that was probably meant, or those there are in its section."""
    section, _, name = key.rpartition(".")
    if section == "model" and (owners := [s for s, e in SYSTEMS.items() if name in e.rules]):
        return f" of this system; it belongs to {', '.join(owners)}"
    if close := difflib.get_close_matches(key, rules, n=1, cutoff=0.8):
        return f"; did you mean {close[0]}?"
    siblings = [known for known in rules if known.startswith(section + ".")]
    return "; settings there: " + ", ".join(siblings) if siblings else "; see configs/default.py"


def explain_override(argument: str, error: str) -> str:
    """What is wrong with a ``--config.KEY=VALUE`` argument, given absl's error; empty: nothing."""
    match = re.fullmatch(r"--?config\.(base\.)?([\w.]+)(?:=(.*))?", argument, re.DOTALL)
    if not match:
        return ""
    base, key, value = match.groups()  # a sweep's settings are those of its base
    full = f"config.{base or ''}{key}"
    rules = RULES | _SWEEP_RULES
    for system in SYSTEMS:
        rules |= rules_of(system)
    if key not in rules or f"'{full}'" in error:
        return f"--{full}: no such setting{_suggest(key, rules)}"
    if not base and error.strip("\"'") == key.partition(".")[0]:
        return f"--{full}: this config has no such setting; a sweep's is --config.base.{key}"
    if f"{full}=" in error:
        return f"--{full}={value}: expected {rules[key].allowed}"
    return ""


def _contradictions(config: ConfigDict) -> list[str]:
    """Settings that are each allowed but not together."""
    data = config.data
    system = SYSTEMS[config.model.name]
    problems = system.problems(config) + _optimizer_problems(config)
    if system.rules.keys() >= FRONT_END_RULES.keys():
        problems += front_end_problems(config.model)
    keeps_aspect = data.resize_mode == "short_side"
    if data.resize and data.host_crop and not keeps_aspect:
        problems.append(
            f"data.resize is {data.resize} and data.host_crop is {data.host_crop}; "
            "set one of them to 0: images are either squashed or cut at native size (or give "
            "--config.data.resize_mode=short_side)"
        )
    if data.resize and not data.host_crop and keeps_aspect:
        problems.append(
            "data.resize_mode is short_side and data.host_crop is 0; the images differ in size, "
            "so give --config.data.host_crop=N (pixels)"
        )
    if data.resize and data.host_crop > data.resize and keeps_aspect:
        problems.append(
            f"data.host_crop is {data.host_crop}, larger than the short side of {data.resize} "
            f"pixels that data.resize gives; expected at most {data.resize}"
        )
    if not data.resize and not data.host_crop:
        problems.append(
            "data.resize and data.host_crop are both 0; native images differ in size, so "
            "give --config.data.host_crop=N (pixels)"
        )
    datasets = len(split_paths(data.path, "data.path"))
    if data.weights and len(data.weights) != datasets:
        problems.append(
            f"data.weights is {tuple(data.weights)} for the {datasets or 'no'} data sets of "
            f"data.path {data.path!r}; give each a weight, or () to draw every image once"
        )
    last = "resize" if data.resize and not keeps_aspect else "host_crop"
    side = data[last]
    if side and data.crop > side:
        problems.append(
            f"data.crop is {data.crop}, larger than the {side} pixels of data.{last}; "
            f"expected at most {side}"
        )
    problems += _delivery_problems(data)
    if config.consistency and not data.couples:
        problems.append(
            f"consistency is {config.consistency}, which compares the views of couples; give "
            "--config.data.couples=True or consistency 0"
        )
    if data.resize and data.validation_crop > data.resize:
        problems.append(
            f"data.validation_crop is {data.validation_crop}, larger than data.resize "
            f"{data.resize}; expected at most {data.resize}"
        )
    return problems


def _delivery_problems(data: ConfigDict) -> list[str]:
    problems = []
    if data.random_delivery.on:
        twice = ["resize"] if data.resize else []
        twice += ["reencode"] if data.reencode else []
        augment = ("blur_probability", "jpeg_probability", "webp_probability")
        twice += [f"augment.{name}" for name in augment if data.augment[name]]
        if twice:
            problems.append(
                "data.random_delivery.on is True, which takes the place of "
                + ", ".join(f"data.{name}" for name in twice)
                + "; switch that off (resize 0, reencode (), probabilities 0)"
            )
    if data.couples and not data.random_delivery.on:
        problems.append(
            "data.couples is True without data.random_delivery.on; couples share its draws, so "
            "give --config.data.random_delivery.on=True"
        )
    if data.blend_probability and not (data.couples and data.blend_share[0] > 0):
        problems.append(
            "data.blend_probability mixes reconstructions of couples; it needs data.couples=True "
            "and a data.blend_share above 0"
        )
    return problems


def _optimizer_problems(config: ConfigDict) -> list[str]:
    optimizer = config.optimizer
    problems = []
    if optimizer.weight_decay and optimizer.name != "adamw":
        problems.append(
            f"optimizer.weight_decay is {optimizer.weight_decay} for optimizer.name "
            f"{optimizer.name}, which has none; give --config.optimizer.name=adamw"
        )
    if optimizer.schedule == "cosine" and optimizer.warmup_epochs > config.num_epochs:
        problems.append(
            f"optimizer.warmup_epochs is {optimizer.warmup_epochs}, more than num_epochs "
            f"{config.num_epochs}; expected at most that"
        )
    return problems
