"""What decides a file's score: two detectors with the same identity give the same one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from npr_jax.detectors.calibration import to_json
from npr_jax.inference.file_detector import FileDetector

if TYPE_CHECKING:
    from npr_jax.inference.ensemble import Ensemble


def identity(detector: FileDetector | Ensemble) -> list[dict[str, Any]]:
    """Of each member, as JSON: a hash of all its weights, what runs them, its calibration and
    preprocessing."""
    return [_of_one(member) for member in detector.members]


def _of_one(detector: FileDetector) -> dict[str, Any]:
    calibration, view = detector.calibration, detector.file_view
    return {
        "system": detector.system,
        "weights_sha256": detector.weights_sha256,
        "engine": detector.engine,
        "calibration": to_json(calibration) if calibration else None,
        "preprocessing": detector.preprocessing.values(),
        "most_pixels": detector.preprocessing.most_pixels,
        "file_view": view.description if view else None,
    }
