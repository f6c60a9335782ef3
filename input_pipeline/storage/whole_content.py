"""Files of ours as they are found: whole, or changed by a disk, a copy or somebody's hand."""

import contextlib
import csv
import json
import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from input_pipeline.errors import UserError

# What parsers, and the use of what they give, raise where a file holds something else than it
# should. `TokenError` is NumPy's, for a header of an array that is cut short.
DAMAGES = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
    csv.Error,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
_LONGEST = 200  # characters of a reason


@contextlib.contextmanager
def whole_content(name: str | os.PathLike[str], remedy: str) -> Iterator[None]:
    """Turns what reading a damaged file's content raises into one sentence.

    Args:
      name: of the file.
      remedy: what to do about it, the end of the sentence.

    Raises:
      UserError: with the reason; one of the block's own gets the file's name.
    """
    try:
        yield
    except UserError as error:
        if os.fspath(name) in str(error):
            raise
        raise UserError(f"{os.fspath(name)}: {error}") from error
    except DAMAGES as error:
        reason = str(error) or type(error).__name__
        if isinstance(error, KeyError):
            reason = f"it lacks {reason}"
        reason = " ".join(reason.split())[:_LONGEST]
        raise UserError(f"{os.fspath(name)} is damaged ({reason}); {remedy}") from error


def read_object(path: str | os.PathLike[str], remedy: str) -> dict[str, Any]:
    """The object in a JSON file; `UserError` where it holds none, `OSError` where it is not read.

    Args:
      path: of the file.
      remedy: as of `whole_content`.
    """
    return json_object(Path(path).read_bytes(), path, remedy)


def json_object(content: bytes, name: str | os.PathLike[str], remedy: str) -> dict[str, Any]:
    """As `read_object`, of bytes."""
    with whole_content(name, remedy):
        try:
            found = json.loads(content.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"no valid JSON: {error}") from error
        if not isinstance(found, dict):
            raise TypeError(f"an object is expected, not {type(found).__name__}")
    return found


def read_arrays(path: str | os.PathLike[str], remedy: str) -> dict[str, np.ndarray]:
    """All arrays of an .npz file; `UserError` and `OSError` as of `read_object`."""
    found: dict[str, np.ndarray] = {}
    # Opened here: of a damaged file, NumPy would leave its own open.
    with open(path, "rb") as file, whole_content(path, remedy):
        try:
            arrays = np.load(file, allow_pickle=False)
            found |= {name: arrays[name] for name in arrays.files}
        except OSError as error:  # a place before the file's beginning is gone to, for one
            raise ValueError(str(error)) from error
    return found
