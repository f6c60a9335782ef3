"""The recipe that a command's ``--config`` names, with the ``--workdir`` that it needs."""

import importlib.util
import pathlib
from typing import Any

from ml_collections import ConfigDict, config_flags

from input_pipeline.errors import UserError


def recipe_of(command: str, flags: Any, folder: str) -> ConfigDict:
    """The settings of ``--config``, changed as the flags say; with it goes a ``--workdir``."""
    config = flags.config
    if config is None:
        raise UserError(f"{command} needs --config={folder}/NAME.py; see the folder {folder}")
    if not isinstance(config, ConfigDict):
        # What ml_collections gives for a missing file fails on first use only.
        path = config_flags.get_config_filename(flags["config"])
        raise UserError(f"--config={path} does not exist; see the folder {folder}")
    if not flags.workdir:
        raise UserError(f"{command} needs --workdir=DIR, a directory for checkpoints and reports")
    return config


def shipped_recipe(argument: str) -> str:
    """``--config=configs/NAME.py`` with the path of the recipe that is installed.

    Other arguments, and recipes that are there, are returned as they are.
    """
    flag, _, recipe = argument.partition("=")
    path, colon, variant = recipe.partition(":")
    package = importlib.util.find_spec("configs")
    if flag.lstrip("-") != "config" or package is None or not package.submodule_search_locations:
        return argument
    installed = pathlib.Path(package.submodule_search_locations[0]).parent / path
    if not path.startswith("configs/") or pathlib.Path(path).exists() or not installed.is_file():
        return argument
    return f"{flag}={installed}{colon}{variant}"
