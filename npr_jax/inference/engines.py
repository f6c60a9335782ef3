"""Which programs can run a network here; imports none of them before they are needed."""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING

from input_pipeline.errors import UserError
from npr_jax.inference.onnx_runtime import onnx_runtime

if TYPE_CHECKING:
    from npr_jax.inference.onnx_scorer import OnnxScorer
    from npr_jax.models.base import Model

ENGINES = ("auto", "flax", "onnxruntime")
REMEDY = "pip install 'npr-jax[fast]'"
# What JAX finds accelerators by: packages of these names.
_PLUGINS = ("jax_plugins", "libtpu")


def check(engine: str) -> None:
    """Raises ``UserError`` for a text that is none of ``ENGINES``."""
    if engine not in ENGINES:
        raise UserError(f"engine is {engine!r}; expected one of {', '.join(ENGINES)}")


def has_onnxruntime() -> bool:
    """Whether ONNX Runtime is installed, and this machine can load it."""
    try:
        onnx_runtime()
    except ImportError:
        return False
    return True


def may_have_accelerator() -> bool:
    """Whether JAX could find one here; asked without importing JAX."""
    asked = os.environ.get("JAX_PLATFORMS", "")
    return asked != "cpu" and any(importlib.util.find_spec(name) for name in _PLUGINS)


def onnx_scorer(model: Model) -> OnnxScorer:
    """Runs a network with ONNX Runtime; ``UserError`` says why that cannot be."""
    if not has_onnxruntime():
        raise UserError(f"it is not installed or cannot be loaded, {REMEDY}")
    if importlib.util.find_spec("onnx") is None:
        raise UserError(f"the package onnx, which writes networks for it, is missing, {REMEDY}")
    from npr_jax.inference.onnx_scorer import OnnxScorer
    from npr_jax.models.onnx.network_file import network_bytes

    return OnnxScorer(network_bytes(model))
