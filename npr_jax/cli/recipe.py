"""The recipe that a command's ``--config`` names, with the ``--workdir`` that it needs."""

from __future__ import annotations

from typing import Any

import ml_collections
from ml_collections import config_flags

from input_pipeline.errors import UserError


def recipe_of(command: str, flags: Any, folder: str) -> ml_collections.ConfigDict:
    """The settings of ``--config``, changed as the flags say.

    Raises:
        UserError: where there is no such file, or no ``--workdir`` with it.
    """
    config = flags.config
    if config is None:
        raise UserError(f"{command} needs --config={folder}/NAME.py; see the folder {folder}")
    if not isinstance(config, ml_collections.ConfigDict):
        # What ml_collections gives for a missing file fails on first use only.
        path = config_flags.get_config_filename(flags["config"])
        raise UserError(f"--config={path} does not exist; see the folder {folder}")
    if not flags.workdir:
        raise UserError(f"{command} needs --workdir=DIR, a directory for checkpoints and reports")
    return config
