"""What ``serve`` needs before a detector is loaded: its libraries, and limits that make sense."""

import importlib.util
from typing import Any

from input_pipeline.errors import UserError
from npr_jax.serving.limits import FLAGS, MEGA, Limits

_LIBRARIES = ("gradio", "fastapi", "uvicorn", "multipart")
_IN_MILLIONS = ("max_bytes", "max_pixels", "max_zip_bytes")


def check_installed() -> None:
    """Raises ``ValueError`` where the libraries of the extra ``serve`` are missing."""
    missing = [name for name in _LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"serve needs {', '.join(missing)}, which is not installed; "
            "pip install 'npr-jax[serve]'"
        )


def limits_of(flags: Any) -> Limits:
    """The limits that the flags of ``serve`` set.

    Raises:
        ValueError: one is 0 or below.
    """
    values = {field: flags[flag].value for field, flag in FLAGS.items()}
    return Limits(**{k: round(v * MEGA) if k in _IN_MILLIONS else v for k, v in values.items()})
