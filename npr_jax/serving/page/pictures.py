"""Pictures inside the page, small enough to send: what is shown is never what is scored."""

import base64
import io

import numpy as np
from PIL import Image

LONGEST_SIDE = 640  # pixels of a picture on the page
_LOSSLESS = 200 * 200  # pixels up to which a picture is sent exactly
_QUALITY = 90
_GREY = 128  # no difference, in a residual's picture


def shown(image: np.ndarray) -> tuple[np.ndarray, int]:
    """A residual's picture reduced to fit, uint8 ``[h, w, 3]``, and how many times.

    Of every k x k pixels the one farthest from mid-grey is kept, in each channel. A mean would
    grey out the pattern, and so would every k-th pixel: residuals are zero at the same place of
    each small block.
    """
    step = -(-max(image.shape[:2]) // LONGEST_SIDE)
    if step == 1:
        return image, 1
    rows, columns = (-(-length // step) for length in image.shape[:2])
    spare = ((0, rows * step - image.shape[0]), (0, columns * step - image.shape[1]), (0, 0))
    padded = np.pad(image, spare, mode="edge")
    blocks = padded.reshape(rows, step, columns, step, 3).swapaxes(1, 2)
    blocks = blocks.reshape(rows, columns, step * step, 3)
    farthest = np.abs(blocks.astype(np.int16) - _GREY).argmax(axis=2)
    return np.take_along_axis(blocks, farthest[:, :, None], axis=2)[:, :, 0], step


def thumbnail(image: np.ndarray) -> np.ndarray:
    """uint8 ``[h, w, 3]`` reduced smoothly to at most ``LONGEST_SIDE``, as a viewer would."""
    picture = Image.fromarray(image)
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    return np.asarray(picture)


def uri(image: np.ndarray) -> str:
    """A uint8 ``[h, w, 3]`` picture as a data URI: PNG where it is small, else JPEG."""
    buffer = io.BytesIO()
    kind = "png" if image.shape[0] * image.shape[1] <= _LOSSLESS else "jpeg"
    options = {"quality": _QUALITY, "subsampling": 0} if kind == "jpeg" else {}
    Image.fromarray(np.ascontiguousarray(image)).save(buffer, kind.upper(), **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
