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
_ZERO_TAIL = "the file ends in zeros, as an interrupted transfer leaves them"
_ROWS = 64  # at once
_RUN = 32  # pixels that would not all be the same as noise by chance


def share_missing(opened: Callable[[], Image.Image]) -> float:
    """The share of its pixels that Pillow's decoder does not reach before it gives up.

    It is decoded over noise: what still is that noise was never written.
    """
    image = opened()
    if not isinstance(image, ImageFile.ImageFile) or not image.tile:
        return 0.0
    width, height = size = stored_size(image)
    boxes = {tile[1] or (0, 0, *size) for tile in image.tile}
    noise, canvas = _noise(image.mode, width), Image.new(image.mode, size)
    for top in range(0, height, _ROWS):
        canvas.paste(noise, (0, top))
    image.im = canvas.im
    with contextlib.suppress(*PILLOW_ERRORS):
        image.load()
        return 0.0
    unwritten, pixels = 0, 0
    for left, top, right, bottom in boxes:
        for start in range(top - top % _ROWS, bottom, _ROWS):
            first, last = max(top, start), min(bottom, start + _ROWS)
            rows = image._new(image.im).crop((left, first, right, last))
            unwritten += _pixels_alike(rows, noise.crop((left, first - start, right, last - start)))
        pixels += (right - left) * (bottom - top)
    return min(1.0, unwritten / pixels) if pixels else 0.0


def _noise(mode: str, width: int) -> Image.Image:
    """`_ROWS` rows of random bytes."""
    size = (width, _ROWS)
    length = len(Image.new(mode, size).tobytes())
    return Image.frombytes(mode, size, np.random.default_rng(0).bytes(length))


def _pixels_alike(first: Image.Image, second: Image.Image) -> int:
    """How many pixels of two pictures of one size are the same, with `_RUN` in their row."""
    height, width = first.height, first.width
    run = min(_RUN, width)
    alike = np.asarray(first) == np.asarray(second)
    runs = alike.reshape(height, width, -1)[:, : width // run * run].reshape(
        height, width // run, -1
    )
    return int(runs.all(-1).sum()) * width // (width // run)


def incomplete(
    reason: str, share: float, *, what: str = "pixels", bound: str = ""
) -> UnreadableImageError:
    """A picture that is refused for what is missing.

    Args:
      reason: how that is known; may be empty.
      share: what is missing, from 0 (nothing: some of it is only corrupt) to 1.
      what: of which it is the share.
      bound: 'at least' or 'up to', where it is no more than that.
    """
    how_much = f"some of its {what} are corrupt"
    if share:
        shown = 1.0 if share == 1 else min(max(share, 0.001), 0.999)
        how_much = f"{bound and bound + ' '}{shown:.1%} of its {what} are missing"
    return UnreadableImageError(f"damaged image: {how_much}{reason and f' ({reason})'}")


def check_tail(pixels: bytes | memoryview, what: str) -> None:
    """Raises `UnreadableImageError` where compressed pixels end in zeros: they never arrived."""
    whole = bytes(pixels)
    missing = len(whole) - len(without_zeros(whole))
    if missing and missing >= len(whole) / 200:
        raise incomplete(_ZERO_TAIL, missing / len(whole), what=what)


def without_zeros(pixels: bytes) -> bytes:
    """Compressed pixels without the zeros at their end, where these are too many for codes."""
    stripped = pixels.rstrip(b"\0")
    return stripped if len(pixels) - len(stripped) >= _ZEROS else pixels


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
            raise incomplete(_ZERO_TAIL, share)
