"""NPR in JAX: tells images that a generator up-sampled from photographs.

The public API is ``npr_jax.Detector``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from npr_jax.inference.detector import Detector

__all__ = ["Detector"]


def __getattr__(name: str) -> Any:
    # On first use: a program that wants the residual alone need not wait for the detector.
    if name == "Detector":
        from npr_jax.inference.detector import Detector

        return Detector
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
