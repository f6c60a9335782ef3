"""How much of a picture is missing where its file is cut short: one rule for every format.

A picture whose pixels are all there is scored, whatever else its file lacks. One with missing or
corrupt pixels is refused, and the reason says how much is missing.
"""

import contextlib
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFile

from input_pipeline.images.codecs import PILLOW_ERRORS
from input_pipeline.images.plugins import stored_size
from input_pipeline.images.problems import UnreadableImageError

# Zero bytes in a row in which compressed pixels do not end: their codes spread over all values.
_ZEROS = 64


def share_missing(opened: Callable[[], Image.Image]) -> float:
    """The share of its pixels that Pillow's decoder does not reach before it gives up.

    It is decoded twice, over black and over white: what differs was never written.
    """
    found = []
    for value in (0, 255):
        image = opened()
        if not isinstance(image, ImageFile.ImageFile) or not image.tile:
            return 0.0
        size = stored_size(image)
        boxes = [tile[1] or (0, 0, *size) for tile in image.tile]
        fill = value if len(image.getbands()) == 1 else (value,) * len(image.getbands())
        image.im = Image.new(image.mode, size, fill).im
        with contextlib.suppress(*PILLOW_ERRORS):
            image.load()
            return 0.0
        found.append(np.asarray(image._new(image.im)))
    unwritten = found[0] != found[1]
    if unwritten.ndim == 3:
        unwritten = unwritten.any(-1)
    inside = np.zeros(unwritten.shape, bool)
    for left, top, right, bottom in boxes:
        inside[top:bottom, left:right] = True
    return float(unwritten[inside].mean()) if inside.any() else 0.0


def incomplete(reason: str, share: float) -> UnreadableImageError:
    """A picture that is refused for what is missing, from 0 (only corrupt) to 1."""
    how_much = f"{max(share, 0.001):.1%} of its pixels are missing"
    if not share:
        how_much = "some of its pixels are corrupt"
    return UnreadableImageError(f"damaged image: {how_much} ({reason})")


def check_tail(pixels: bytes | memoryview, what: str) -> None:
    """Raises `UnreadableImageError` where compressed pixels end in zeros: they never arrived."""
    whole = bytes(pixels)
    missing = len(whole) - len(whole.rstrip(b"\0"))
    if missing >= _ZEROS and missing >= len(whole) / 200:
        raise UnreadableImageError(
            f"damaged image: {missing / len(whole):.1%} of its {what} are missing "
            "(the file ends in zeros, as an interrupted transfer leaves them)"
        )


def check_rows(pixels: np.ndarray) -> None:
    """Raises `UnreadableImageError` where stored pixels turn black for good in mid-row.

    For formats that store pixels as they are, in which zeros are a colour. A transfer ends anywhere
    in a row, and the row before goes on; what is drawn or photographed in black has an edge there.

    Args:
      pixels: uint8 [h, w, 3] in the order of the file or from the last row to the first.
    """
    for rows in (pixels, pixels[::-1]):
        if rows[-1].any() or len(rows) < 3:
            continue
        row = int(np.flatnonzero(rows.any((1, 2)))[-1]) if rows.any() else 0
        width = rows.shape[1]
        lit = rows[row].any(-1)
        end = int(np.flatnonzero(lit)[-1]) + 1 if lit.any() else 0
        above = rows[row - 1].any(-1) if row else np.zeros(width, bool)
        if 0 < end < width and lit[:end].mean() > 0.9 and above[end:].mean() > 0.9:
            share = (len(rows) - 1 - row + 1 - end / width) / len(rows)
            raise incomplete("it ends in zeros, as an interrupted transfer leaves them", share)
