"""ONNX Runtime, which by itself tells its maker of each use."""

import os
from types import ModuleType


def onnx_runtime() -> ModuleType:
    """The package, silent; ``ImportError`` where it is missing or cannot be loaded.

    Version 1.32 as PyPI has it sends events to Microsoft and keeps a number of this machine in the
    user's cache, unless a variable of the environment forbids it before the first import (its
    Privacy.md). Whoever has set the variable has decided.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime
