"""What decides a file's score: two detectors with the same identity give the same one."""

import hashlib
from typing import Any

import jax
import numpy as np
from flax import nnx

from npr_jax.detectors import calibration_file
from npr_jax.inference.detector import Detector
from npr_jax.inference.ensemble import Ensemble


def identity(detector: Detector | Ensemble) -> list[dict[str, Any]]:
    """Of each member, as JSON: a hash of all its weights, its calibration and preprocessing."""
    return [_of_one(member) for member in detector.members]


def _of_one(detector: Detector) -> dict[str, Any]:
    calibration, view = detector.calibration, detector.file_view
    return {
        "system": detector.system,
        "weights_sha256": _hash_of_weights(detector.model),
        "calibration": calibration_file.to_json(calibration) if calibration else None,
        "preprocessing": detector.preprocessing.values(),
        "most_pixels": detector.preprocessing.most_pixels,
        "file_view": view.description if view else None,
    }


def _hash_of_weights(model: nnx.Module) -> str:
    digest = hashlib.sha256()
    for path, value in jax.tree_util.tree_leaves_with_path(nnx.to_pure_dict(nnx.state(model))):
        array = np.asarray(value)
        digest.update(f"{jax.tree_util.keystr(path)} {array.dtype} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
