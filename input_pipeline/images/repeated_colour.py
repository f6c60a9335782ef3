"""Colour samples that a decoder has repeated, enlarged as other decoders enlarge them.

Of pictures with one colour sample for 2 x 2 (4:2:0) or 1 x 2 pixels (4:2:2), libheif repeats each
sample, where libjpeg-turbo, libwebp and libavif interpolate with weights 3/4 and 1/4. Blocks of
equal neighbours are the very trace that NPR looks for. The repeated samples can be read off the
pixels, so they can be interpolated afterwards: docs/formats.md says how exactly, and why.
"""

import numpy as np
from PIL import Image

# Red and blue in luma, by the number of the matrix (ITU-T H.273, table 4); the rest is green.
_LUMA = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}
USUAL_MATRIX = 6
_TALL = {420: 2, 422: 1}  # rows of pixels for a sample; columns are two
_ROWS_AT_ONCE = 512  # an even number
_ROWS_APART = 8  # of those that are looked at for steps
# Steps within blocks, which are rounding, are below this part of those between blocks.
_MOST_WITHIN = 0.5


def interpolate_colour(pixels: np.ndarray, chroma: int, matrix: int = USUAL_MATRIX) -> np.ndarray:
    """Interpolates the repeated colour samples of a picture; luma stays.

    Args:
      pixels: uint8 [h, w, 3] RGB as stored, so that blocks begin at the top left.
      chroma: 420 or 422, the sampling of the file; pictures of another are returned.
      matrix: of the file (`matrix_coefficients`); an unknown one counts as BT.601.

    Returns:
      uint8 [h, w, 3]; the same array where colour is not repeated.
    """
    tall = _TALL.get(chroma)
    height, width = pixels.shape[:2]
    if tall is None or min(height, width) < 4:
        return pixels
    red, blue = _LUMA.get(matrix, _LUMA[USUAL_MATRIX])
    weights = np.array([red, 1 - red - blue, blue], np.float32)
    samples = _samples(pixels, weights, tall)
    if samples is None:
        return pixels
    reds, blues = (_enlarged(samples[..., i], tall)[:height, :width] for i in (0, 1))
    result = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, _ROWS_AT_ONCE):
        rows = slice(top, top + _ROWS_AT_ONCE)
        luma = pixels[rows] @ weights
        greens = -(weights[0] * reds[rows] + weights[2] * blues[rows]) / weights[1]
        for channel, colour in enumerate((reds[rows], greens, blues[rows])):
            level = luma + colour
            np.clip(np.rint(level, out=level), 0, 255, out=level)
            result[rows, :, channel] = level
    return result


def _samples(pixels: np.ndarray, weights: np.ndarray, tall: int) -> np.ndarray | None:
    """Red and blue less luma of each block, float32 [h, w, 2]; None where they vary within it."""
    height, width = pixels.shape[:2]
    padded = np.pad(pixels, ((0, height % tall), (0, width % 2), (0, 0)), "edge")
    samples, within, between = [], 0.0, 0.0
    for top in range(0, len(padded), _ROWS_AT_ONCE):
        rows = padded[top : top + _ROWS_AT_ONCE]
        colour = rows[..., ::2] - (rows @ weights)[..., None]
        some = colour[::_ROWS_APART]
        within += float(np.abs(some[:, 0::2] - some[:, 1::2]).sum())
        between += float(np.abs(some[:, 1:-1:2] - some[:, 2::2]).sum())
        pairs = colour[:, 0::2] + colour[:, 1::2]
        if tall == 2:
            pairs = (pairs[0::2] + pairs[1::2]) / 2
        samples.append(pairs / 2)
    return np.concatenate(samples) if within < _MOST_WITHIN * between else None


def _enlarged(samples: np.ndarray, tall: int) -> np.ndarray:
    """Linear between the centres of samples; beyond the outermost ones, these."""
    size = (2 * samples.shape[1], tall * samples.shape[0])
    image = Image.fromarray(np.ascontiguousarray(samples))
    return np.asarray(image.resize(size, Image.Resampling.BILINEAR))
