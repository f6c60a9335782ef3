"""The file that holds a run's frozen numbers: remembered by content, never exchanged in silence."""

import hashlib
import pathlib

from ml_collections import ConfigDict

from input_pipeline.errors import UserError
from input_pipeline.storage.atomic_files import write_json
from input_pipeline.storage.whole_content import read_object, whole_content
from npr_jax.models.systems.registry import SYSTEMS

NAME = "frozen.json"  # in the workdir
NO_FILE = "random numbers"  # stands for the content where no file is given


def fingerprint(model: ConfigDict) -> str:
    """SHA-256 of the file of frozen numbers, which has to exist; empty for systems with none."""
    setting = SYSTEMS[model.name].frozen_file
    if not setting:
        return ""
    if not model[setting]:
        return NO_FILE
    path = pathlib.Path(model[setting])
    if not path.is_file():
        raise UserError(
            f"model.{setting} is {str(path)!r}, which does not exist; give the file of published "
            f"weights with --config.model.{setting}=FILE, or put it back"
        )
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remember(workdir: pathlib.Path, model: ConfigDict, found: str) -> None:
    """Notes in the workdir which content it was trained with; nothing for other systems."""
    if found:
        path = model[SYSTEMS[model.name].frozen_file]
        write_json(workdir / NAME, {"path": str(path), "content": found}, sort_keys=True)


def check(workdir: pathlib.Path, model: ConfigDict, found: str) -> None:
    """Refuses another content than the one that the workdir's run was trained with."""
    path = workdir / NAME
    if not found or not path.is_file():
        return
    remedy = "copy the run again"
    saved = read_object(path, remedy)
    with whole_content(path, remedy):
        trained_with = _named(saved["path"], saved["content"])
    if saved["content"] != found:
        setting = SYSTEMS[model.name].frozen_file
        raise UserError(
            f"{workdir} was trained with {trained_with}, but "
            f"model.{setting} is {_named(model[setting], found)}; give the file it was trained "
            "with, or train in another --workdir"
        )


def _named(path: str, digest: str) -> str:
    return f"{path} (sha256 {digest[:12]})" if path else NO_FILE
