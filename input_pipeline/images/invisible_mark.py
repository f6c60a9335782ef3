"""The invisible mark that Stable Diffusion's scripts write into images: read, write, remove.

The script marks what it saves with the PyPI package invisible-watermark, method `dwtDct`, message
`StableDiffusionV1`; those of versions 2 and XL have other messages, see `MARKS`. What the method
does, found by trying the package:

- The plane is U of OpenCV's 8-bit conversion from BGR to YUV: `(B - Y) * 0.492 + 128`.
- Each square of 2 x 2 pixels has a Haar coefficient, half the sum of its four values. 4 x 4 of
  them, 8 x 8 pixels, are a block and carry one bit; there is no cosine transform, whatever the
  method's name says. Blocks are counted row by row from the top left; after the last bit comes the
  first again. Pixels left over at the right and the bottom carry none.
- The bit of a block lies in the largest of its coefficients, the first aside, modulo 36: 9 for a
  zero, 27 for a one.
- In every square the two off-diagonal pixels change places, as the package puts the details back
  the other way round; and values are cut off where they are not whole. So the mark disturbs
  neighbouring pixels everywhere, which a detector could learn.

The scripts of version XL hand the package an image of floats. OpenCV then has the middle of U at
0.5 in place of 128, so coefficients have signs, and the bit lies in the one that is farthest from
the middle.

Numpy alone; OpenCV's conversion and the package's own rounding are reproduced bit for bit.
"""

import math
from functools import cache
from typing import NamedTuple

import numpy as np

from input_pipeline.images.problems import ImageTooSmallError

STABLE_DIFFUSION_1 = b"StableDiffusionV1"


class Mark(NamedTuple):
    """What a program writes."""

    name: str  # of the program
    message: bytes
    in_floats: bool = False  # whether it is written before pixels are whole numbers


# Messages from the scripts of CompVis (1) and Stability AI (2 and XL) and of diffusers (XL), 2022
# and 2023. That of 2 is so short that an image must agree in nearly all of its bits.
MARKS = (
    Mark("Stable Diffusion 1", STABLE_DIFFUSION_1),
    Mark("Stable Diffusion 2", b"SDV2"),
    Mark("Stable Diffusion XL", bytes.fromhex("b3ec907bb19e"), in_floats=True),
)
# An image is said to carry a message where at least this share of its bits agree, and chance would
# let as many agree less often than this. Other words of the same length agree in part.
CARRIED_SHARE, CARRIED_P_VALUE = 0.75, 1e-6
MIN_PIXELS = 256 * 256  # height * width; the package marks no smaller image
# A mark is looked for in so many pixels at the top: 65,536 blocks, 500 for each bit of the longest
# message. More would make large photographs slow to read, and no mark surer.
READ_PIXELS = 1 << 22

_BLOCK = 8  # pixels
_STEP = 36
_FLOAT_MIDDLE = 127  # of U, where a mark in floats has its zero; by trying, 127.5 reads less well
_HAAR = 2**-0.5
_SHIFT = 14  # bits behind the point in OpenCV's conversion
_MIDDLE = (128 << _SHIFT) + (1 << (_SHIFT - 1))  # of U and V, and half a bit to round
_HALF = 1 << (_SHIFT - 1)
_RED_TO_Y, _GREEN_TO_Y, _BLUE_TO_Y = 4899, 9617, 1868
_TO_U, _TO_V = 8061, 14369  # of B - Y and R - Y
_U_TO_BLUE, _U_TO_GREEN, _V_TO_GREEN, _V_TO_RED = 33292, -6472, -9519, 18678


class MarkReading(NamedTuple):
    """What is read where a message might be."""

    share: float  # of the message's bits that agree; about 0.5 by chance
    # Chance that as many agree if the bits that were read had come in random order.
    p_value: float

    @property
    def is_carried(self) -> bool:
        """Whether the image carries the message."""
        return self.share >= CARRIED_SHARE and self.p_value < CARRIED_P_VALUE


def read_mark(image: np.ndarray, message: bytes = STABLE_DIFFUSION_1) -> MarkReading:
    """Reads a message from an image, uint8 [h, w, 3] RGB, that nobody has cropped or resized.

    A bit is one where more of its blocks than on average read so: blocks of white or of flat
    colour, which cannot be marked, all read as the same. In an image of fewer blocks than bits
    nothing is read: a share of 0.5 and a p-value of 1.
    """
    return _read(_block_values(image)[0], _bits(message))


class FoundMark(NamedTuple):
    """A mark that an image carries."""

    name: str  # of the program that writes it
    p_value: float  # see `MarkReading`


def read_marks(image: np.ndarray) -> dict[str, MarkReading]:
    """Reads each of `MARKS`, by name, as `read_mark` reads a message, in `READ_PIXELS` pixels."""
    largest, farthest = _block_values(image[: max(_BLOCK, READ_PIXELS // max(1, image.shape[1]))])
    return {
        mark.name: _read(farthest if mark.in_floats else largest, _bits(mark.message))
        for mark in MARKS
    }


def find_mark(image: np.ndarray) -> FoundMark | None:
    """The mark of `MARKS` that an image, uint8 [h, w, 3] RGB, carries; None for none."""
    readings = read_marks(image).items()
    carried = [FoundMark(name, found.p_value) for name, found in readings if found.is_carried]
    return min(carried, key=lambda found: found.p_value, default=None)


def _block_values(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each block, row by row, twice the coefficient that may hold a bit, int32 [blocks].

    The first is the largest, the second the one farthest from the middle of floats, from there.
    """
    _, u = _to_yu(image)
    rows, columns = (side // _BLOCK for side in u.shape)
    u = u[: rows * _BLOCK, : columns * _BLOCK]
    pairs = u[0::2] + u[1::2]
    doubled = _in_blocks(pairs[:, 0::2] + pairs[:, 1::2])[:, :, 1:]
    largest, smallest, middle = doubled.max(axis=2), doubled.min(axis=2), 4 * _FLOAT_MIDDLE
    return largest.ravel(), np.maximum(largest - middle, middle - smallest).ravel()


def _read(values: np.ndarray, bits: np.ndarray) -> MarkReading:
    if len(values) < len(bits):
        return MarkReading(0.5, 1.0)
    ones = values % (2 * _STEP) > _STEP
    turn = np.resize(np.arange(len(bits)), len(ones))
    shares = np.bincount(turn, ones) / np.bincount(turn)
    found = shares > shares.mean()
    return MarkReading(float((found == bits).mean()), _p_value(found, bits))


def write_mark(image: np.ndarray, message: bytes = STABLE_DIFFUSION_1) -> np.ndarray:
    """Returns the image with a message, as the script saves it; uint8 [h, w, 3] RGB.

    Raises:
      ImageTooSmallError: the image has fewer than `MIN_PIXELS`; the package marks none of those.
    """
    height, width = image.shape[:2]
    if height * width < MIN_PIXELS:
        raise ImageTooSmallError(
            f"too small: {height}x{width} pixels; the invisible mark needs {MIN_PIXELS} in all"
        )
    bits = _bits(message)
    y, u = _to_yu(image)
    v = _to_v(image, y)
    height, width = height // 4 * 4, width // 4 * 4
    # In the package's order of operations: the last bits decide what is cut off.
    low, high = _split(u[:height, :width])
    (sums, across), (down, both) = (_split(half.T) for half in (low, high))
    sums = sums.T.copy()
    blocks = _in_blocks(sums)
    place = blocks[:, :, 1:].argmax(axis=2)[:, :, None] + 1
    cells = np.take_along_axis(blocks, place, axis=2) // _STEP
    wanted = np.resize(bits, cells.shape)
    np.put_along_axis(blocks, place, (cells + 0.25 + 0.5 * wanted) * _STEP, axis=2)
    rows, columns = (4 * number for number in blocks.shape[:2])
    sums[:rows, :columns] = _out_of_blocks(blocks)
    # `across` and `down` have changed places.
    marked = _join(_join(sums.T, down).T, _join(across, both).T)
    u[:height, :width] = marked.astype(np.uint8)
    return _to_rgb(y, u, v)


def remove_mark(image: np.ndarray) -> np.ndarray:
    """Returns a marked image, uint8 [h, w, 3] RGB, about as it was before.

    Off-diagonal pixels change places again. The largest coefficient of a block lay anywhere within
    its 36: it is put there as near as possible to the second largest. `read_mark` finds no message
    in photographs after that.
    """
    y, u = _to_yu(image)
    v = _to_v(image, y)
    rows, columns = (side // _BLOCK * _BLOCK for side in u.shape)
    height, width = (side // 4 * 4 for side in u.shape)
    squares = u[:height, :width].reshape(height // 2, 2, width // 2, 2)
    squares = squares.swapaxes(1, 3).copy()
    sums = squares[: rows // 2, :, : columns // 2].sum(axis=(1, 3))
    blocks = _in_blocks(sums)  # twice the coefficients
    place = blocks[:, :, 1:].argmax(axis=2)[:, :, None] + 1
    second, largest = np.moveaxis(np.partition(blocks[:, :, 1:], -2, axis=2)[:, :, -2:], 2, 0)
    lowest = largest // (2 * _STEP) * (2 * _STEP)
    wanted = np.clip(second, lowest, lowest + 2 * _STEP - 1)
    change = np.zeros_like(blocks)
    np.put_along_axis(change, place, (wanted - largest)[:, :, None], axis=2)
    spread = np.rint(_out_of_blocks(change) / 4).astype(np.int32)
    squares[: rows // 2, :, : columns // 2] += spread[:, None, :, None]
    u[:height, :width] = squares.reshape(height, width)
    return _to_rgb(y, u, v)


@cache
def _bits(message: bytes) -> np.ndarray:
    return np.unpackbits(np.frombuffer(message, np.uint8)).astype(bool)


def _p_value(found: np.ndarray, bits: np.ndarray) -> float:
    """Chance that as many ones meet ones if those found are in random order (hypergeometric).

    It does not depend on how many ones are found: flat colour reads as zeros throughout.
    """
    ones, drawn, total = int(bits.sum()), int(found.sum()), len(bits)
    met = int((found & bits).sum())
    ways = sum(
        math.comb(ones, k) * math.comb(total - ones, drawn - k)
        for k in range(met, min(ones, drawn) + 1)
    )
    return ways / math.comb(total, drawn)


def _in_blocks(values: np.ndarray) -> np.ndarray:
    """[4r (+ up to 3), 4c (+ up to 3)] -> [r, c, 16]."""
    rows, columns = (side // 4 for side in values.shape)
    tiles = values[: rows * 4, : columns * 4].reshape(rows, 4, columns, 4)
    return tiles.swapaxes(1, 2).reshape(rows, columns, 16)


def _out_of_blocks(blocks: np.ndarray) -> np.ndarray:
    rows, columns = blocks.shape[:2]
    return blocks.reshape(rows, columns, 4, 4).swapaxes(1, 2).reshape(rows * 4, columns * 4)


def _split(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Haar sums and differences of pairs of rows."""
    first, second = _HAAR * values[0::2], _HAAR * values[1::2]
    return second + first, first - second


def _join(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Rows of the sums and differences of `_split`."""
    low, high = _HAAR * low, _HAAR * high
    return np.stack([low + high, low - high], axis=1).reshape(2 * len(low), -1)


def _to_yu(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Y and U as OpenCV has them, int32 [h, w] of 0 to 255."""
    red, green, blue = np.moveaxis(image, 2, 0).astype(np.int32)
    y = (red * _RED_TO_Y + green * _GREEN_TO_Y + blue * _BLUE_TO_Y + _HALF) >> _SHIFT
    return y, ((blue - y) * _TO_U + _MIDDLE) >> _SHIFT


def _to_v(image: np.ndarray, y: np.ndarray) -> np.ndarray:
    """V as OpenCV has it, which has less room than it needs."""
    v = ((image[:, :, 0].astype(np.int32) - y) * _TO_V + _MIDDLE) >> _SHIFT
    return np.clip(v, 0, 255)


def _to_rgb(y: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """uint8 [h, w, 3], as OpenCV has it."""
    u, v = u - 128, v - 128
    red = y + ((v * _V_TO_RED + _HALF) >> _SHIFT)
    green = y + ((u * _U_TO_GREEN + v * _V_TO_GREEN + _HALF) >> _SHIFT)
    blue = y + ((u * _U_TO_BLUE + _HALF) >> _SHIFT)
    return np.clip(np.stack([red, green, blue], axis=2), 0, 255).astype(np.uint8)
