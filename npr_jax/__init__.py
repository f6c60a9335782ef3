"""NPR in JAX: tells images that a generator up-sampled from photographs.

``Detector`` scores files and pixels, ``Detector.default()`` with the bundled weights;
``Ensemble`` does it with several. An ``ImageScore`` is what they say of a file, ``Preprocessing``
and ``Calibration`` are what they do before and after the network. ``train`` trains a run,
``build_model`` makes the network of a config, ``FrontEnd`` is the view of an image that a network
gets and ``npr_residual`` the paper's residual.
``UserError`` is raised for what a user can mend. All else may change between versions.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from input_pipeline.errors import UserError
    from input_pipeline.images.preprocessing import Preprocessing
    from npr_jax.detectors.calibration import Calibration
    from npr_jax.inference.detector import Detector
    from npr_jax.inference.ensemble import Ensemble
    from npr_jax.inference.verdict import ImageScore
    from npr_jax.models.systems.registry import build_model
    from npr_jax.residuals.front_end import FrontEnd
    from npr_jax.residuals.residual import npr_residual
    from npr_jax.training.train import train

_HOMES = {
    "Calibration": "npr_jax.detectors.calibration",
    "Detector": "npr_jax.inference.detector",
    "Ensemble": "npr_jax.inference.ensemble",
    "FrontEnd": "npr_jax.residuals.front_end",
    "ImageScore": "npr_jax.inference.verdict",
    "Preprocessing": "input_pipeline.images.preprocessing",
    "UserError": "input_pipeline.errors",
    "build_model": "npr_jax.models.systems.registry",
    "npr_residual": "npr_jax.residuals.residual",
    "train": "npr_jax.training.train",
}
__all__ = [
    "Calibration",
    "Detector",
    "Ensemble",
    "FrontEnd",
    "ImageScore",
    "Preprocessing",
    "UserError",
    "build_model",
    "npr_residual",
    "train",
]


def __getattr__(name: str) -> Any:
    # On first use: a program that wants the residual alone need not wait for the detector.
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
