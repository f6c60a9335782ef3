"""NPR in JAX: tells images that a generator up-sampled from photographs.

The public API: ``Detector`` scores files and pixels, ``Ensemble`` does it with several, both with
their own ``Preprocessing``, and an ``ImageScore`` is what they say of a file.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from input_pipeline.images.preprocessing import Preprocessing
    from npr_jax.inference.detector import Detector
    from npr_jax.inference.ensemble import Ensemble
    from npr_jax.inference.verdict import ImageScore

_HOMES = {
    "Detector": "npr_jax.inference.detector",
    "Ensemble": "npr_jax.inference.ensemble",
    "ImageScore": "npr_jax.inference.verdict",
    "Preprocessing": "input_pipeline.images.preprocessing",
}
__all__ = ["Detector", "Ensemble", "ImageScore", "Preprocessing"]


def __getattr__(name: str) -> Any:
    # On first use: a program that wants the residual alone need not wait for the detector.
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
