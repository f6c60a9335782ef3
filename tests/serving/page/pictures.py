"""Files to give to the page."""

import io
import pathlib
import zipfile

import numpy as np
from PIL import Image


def pixels(seed: int, height: int = 96, width: int = 112) -> np.ndarray:
    """uint8 ``[height, width, 3]``: soft shapes and grain."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (7, 9, 3), np.uint8))
    soft = np.asarray(small.resize((width, height), Image.Resampling.BICUBIC), float)
    return np.clip(soft + rng.normal(0, 6, soft.shape), 0, 255).astype(np.uint8)


def write(path: pathlib.Path, image: np.ndarray, **settings) -> pathlib.Path:
    """Writes an image file in the format that its name says."""
    Image.fromarray(image).save(path, **settings)
    return path


def encoded(image: np.ndarray, kind: str = "PNG") -> bytes:
    """The bytes of an image file."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind)
    return buffer.getvalue()


def write_zip(path: pathlib.Path, members: dict[str, bytes]) -> pathlib.Path:
    """Writes a zip file."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path
