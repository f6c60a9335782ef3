"""A calibration on disk, beside the checkpoint it was fitted for, and whether it still fits.

``<workdir>/calibration/<step>.json`` names the checkpoint's step, a hash of its parameters and the
preprocessing it was fitted with. Where any of these is another, it is not used.
"""

from __future__ import annotations

import hashlib
import json
import pathlib
from typing import Any

import jax
import numpy as np
from flax import nnx

from input_pipeline.errors import UserError
from npr_jax.detectors.calibration import Calibration

FOLDER = "calibration"
_FIELDS = ("temperature", "bias", "target_error", "generated_from", "photograph_to")


def file_of(workdir: pathlib.Path, step: int) -> pathlib.Path:
    """Where the calibration of a run's checkpoint is kept."""
    return workdir / FOLDER / f"{step}.json"


def fingerprint(model: nnx.Module) -> str:
    """Changes with any trained number of a model: its parameters and running statistics."""
    digest = hashlib.sha256()
    trained = nnx.state(model, nnx.Any(nnx.Param, nnx.BatchStat))
    for path, value in jax.tree_util.tree_leaves_with_path(nnx.to_pure_dict(trained)):
        array = np.asarray(value)
        digest.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def to_json(calibration: Calibration) -> dict[str, Any]:
    """What of a calibration file `load` reads back, besides what it belongs to."""
    return {name: getattr(calibration, name) for name in _FIELDS}


def load(
    workdir: pathlib.Path, step: int, model: nnx.Module, preprocessing: str
) -> tuple[Calibration | None, str]:
    """The calibration of a checkpoint, and one line on why one that is there is not used.

    Args:
        workdir: of the run.
        step: of the checkpoint.
        model: with the checkpoint's numbers.
        preprocessing: of the detector, in words.

    Raises:
        ValueError: the file is damaged.
    """
    path = file_of(workdir, step)
    if not path.is_file():
        others = sorted(int(p.stem) for p in path.parent.glob("*.json") if p.stem.isdecimal())
        if not others:
            return None, ""
        steps = ", ".join(map(str, others))
        return None, f"the calibration of step {steps} is not of this checkpoint (step {step})"
    try:
        content = json.loads(path.read_text())
        saved, made_with = content["checkpoint"], content["preprocessing"]
        calibration = Calibration(**{name: content[name] for name in _FIELDS})
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is no calibration ({type(error).__name__}: {error}); delete it, or run "
            "`python main.py calibrate` again"
        ) from error
    if (saved["step"], saved["hash"]) != (step, fingerprint(model)):
        return None, f"{path} was made for other weights than those of step {step}"
    if made_with != preprocessing:
        return None, f"{path} was made with images prepared otherwise ({made_with})"
    return calibration, ""
