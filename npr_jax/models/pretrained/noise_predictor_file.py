"""A noise predictor as one file: what is needed to use it, and its hash.

``.safetensors`` files that this project wrote say in their metadata what U-Net and schedule they
are of. Any other file is taken for the published ADM of 256x256 pixels.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
from typing import Any

import safetensors
import safetensors.numpy

from input_pipeline.errors import UserError
from input_pipeline.storage.atomic_files import write_file
from npr_jax.models.diffusion.noise_predictor import NoisePredictor
from npr_jax.models.diffusion.unet import UNetShape
from npr_jax.models.pretrained.adm import (
    ADM_256,
    ADM_IMAGE_SIZE,
    ADM_SCHEDULE,
    load_unet,
    published_arrays,
)
from npr_jax.models.pretrained.state_dict import load_state_dict

FILE_NAME = "noise_predictor.safetensors"
_KEY = "npr_jax.noise_predictor"


def save_noise_predictor(predictor: NoisePredictor, path: pathlib.Path) -> None:
    """Writes the file whole or not at all; the weights carry ADM's published names."""
    about = {
        "unet": dataclasses.asdict(predictor.unet.shape),
        "schedule": predictor.schedule,
        "steps": predictor.steps,
        "image_size": predictor.image_size,
    }
    data = safetensors.numpy.save(
        published_arrays(predictor.unet), metadata={_KEY: json.dumps(about, sort_keys=True)}
    )
    write_file(path, data)


def load_noise_predictor(path: str | pathlib.Path) -> NoisePredictor:
    """Reads a file, or that of a run of ``noise_predictor``.

    Args:
        path: ``.safetensors``, ``.pt`` or ``.pth`` file, or a run's directory.

    Raises:
        ValueError: there is no such file, it cannot be read or its arrays fit no known U-Net.
    """
    path = _file(path)
    arrays = load_state_dict(path)
    about = _about(path)
    if about is None:
        schedule, steps = ADM_SCHEDULE
        shape, image_size = ADM_256, ADM_IMAGE_SIZE
    else:
        tuples: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in about["unet"].items()
        }
        shape, image_size = UNetShape(**tuples), about["image_size"]
        schedule, steps = about["schedule"], about["steps"]
    unet = load_unet(arrays, shape, str(path))
    return NoisePredictor(unet, schedule, steps, image_size, hash_of(path), str(path))


def hash_of(path: str | pathlib.Path) -> str:
    """SHA-256 in hex of the file that ``load_noise_predictor`` would read.

    Raises:
        ValueError: there is no such file.
    """
    path = _file(path)
    if not path.is_file():
        raise UserError(f"noise predictor {path} does not exist; give its file or its run")
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _file(path: str | pathlib.Path) -> pathlib.Path:
    path = pathlib.Path(path)
    if not path.is_dir():
        return path
    if not (path / FILE_NAME).is_file():
        raise UserError(
            f"{path} holds no {FILE_NAME}; it is written when `python main.py noise_predictor` "
            "has come to its end"
        )
    return path / FILE_NAME


def _about(path: pathlib.Path) -> dict[str, Any] | None:
    """What the file says of itself; None where it is none of ours."""
    if path.suffix != ".safetensors":
        return None
    with safetensors.safe_open(path, framework="numpy") as file:
        metadata = file.metadata() or {}
    return json.loads(metadata[_KEY]) if _KEY in metadata else None
