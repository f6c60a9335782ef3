"""Reads a published state dict from a file: name to float32 array."""

import pathlib
import pickle
import struct
import warnings
import zipfile
from collections.abc import Mapping

import numpy as np
import safetensors
import safetensors.numpy

from input_pipeline.errors import UserError

# What torch's restricted unpickler raises on files that are no weights: it takes any bytes for
# instructions and fails where they lead.
_TORCH_ERRORS = (
    pickle.UnpicklingError, zipfile.BadZipFile, struct.error, ArithmeticError, AssertionError,
    AttributeError, EOFError, LookupError, MemoryError, OSError, RuntimeError, TypeError,
    ValueError,
)  # fmt: skip


def load_state_dict(path: str | pathlib.Path) -> dict[str, np.ndarray]:
    """The arrays of a ``.safetensors`` or ``.pth`` / ``.pt`` file.

    A ``.pth`` is read by torch with ``weights_only=True``, which builds tensors and plain
    containers and refuses everything else a pickle could execute. A state dict that lies under
    ``model``, ``state_dict`` or ``net`` is found, and the ``module.`` prefix of data-parallel
    training is taken off. ``UserError`` for a missing or unreadable file, an unknown ending, a
    ``.pth`` without torch installed, or a file that holds no mapping of arrays.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise UserError(f"weights file {path} {what}; give a .safetensors or .pth file")
    if path.suffix == ".safetensors":
        arrays = _read_safetensors(path)
    elif path.suffix in (".pth", ".pt"):
        arrays = _read_pth(path)
    else:
        raise UserError(
            f"weights file {path} ends in {path.suffix!r}; expected .safetensors or .pth"
        )
    return {name.removeprefix("module."): np.asarray(a) for name, a in arrays.items()}


def _read_safetensors(path: pathlib.Path) -> Mapping[str, np.ndarray]:
    try:
        return safetensors.numpy.load_file(path)
    except (safetensors.SafetensorError, OSError) as error:
        raise UserError(f"{path} is not a readable .safetensors file: {error}") from error


def _read_pth(path: pathlib.Path) -> Mapping[str, np.ndarray]:
    try:
        import torch
    except ImportError as error:
        raise UserError(
            f"reading {path} needs PyTorch: install the torch extra (pip install '.[torch]') "
            "or convert the file to .safetensors"
        ) from error

    try:
        with warnings.catch_warnings():
            # Torch's remark on other pickle protocols is for its developers.
            warnings.simplefilter("ignore", UserWarning)
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except _TORCH_ERRORS as error:
        first_line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{path} cannot be read as plain weights: {first_line}") from error
    for key in ("model", "state_dict", "net"):
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    if not isinstance(loaded, Mapping) or not all(
        isinstance(v, torch.Tensor) for v in loaded.values()
    ):
        raise UserError(f"{path} holds no state dict (a mapping of names to tensors)")
    return {name: tensor.float().numpy() for name, tensor in loaded.items()}
