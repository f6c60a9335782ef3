"""Resizing one axis as a matrix: torch's ``interpolate`` for every mode, without antialiasing.

Each function gives the weights with which the pixels of one axis make the pixels of the resized
axis, at the ``outputs`` asked for only, so that a tile of a large image needs no whole matrix.
"""

import numpy as np

BICUBIC_A = -0.75  # torch's cubic coefficient; PIL and jax.image use -0.5


def nearest_indices(length_in: int, length_out: int) -> np.ndarray:
    """Source index of every output position, ``int32 [length_out]``: torch's ``nearest``.

    torch computes in float32 and that is observable: exact integers and float64 choose
    another pixel at some sizes for f = 1/4, 3/4, 1/3 and 1/8.
    """
    scale = np.float32(length_in) / np.float32(length_out)
    source = np.floor(np.arange(length_out, dtype=np.float32) * scale).astype(np.int32)
    return np.minimum(source, length_in - 1)


def bilinear_matrix(
    length_in: int, length_out: int, outputs: np.ndarray, dtype: type = np.float32
) -> np.ndarray:
    """Two-tap interpolation (``align_corners=False``), ``float64 [outputs, length_in]``.

    ``dtype`` is that of the source positions: float32 is torch's, float64 for exact algebra.
    """
    source = np.maximum(_source_positions(length_in, length_out, outputs, dtype), 0.0)
    lower = np.minimum(np.floor(source).astype(int), length_in - 1)
    upper = np.minimum(lower + 1, length_in - 1)
    fraction = source - lower
    matrix = np.zeros((len(outputs), length_in))
    row = np.arange(len(outputs))
    np.add.at(matrix, (row, lower), 1.0 - fraction)
    np.add.at(matrix, (row, upper), fraction)
    return matrix


def bicubic_matrix(
    length_in: int, length_out: int, outputs: np.ndarray, dtype: type = np.float32
) -> np.ndarray:
    """Cubic convolution (a = -0.75) at ``outputs``, ``float64 [outputs, length_in]``.

    ``dtype`` as in ``bilinear_matrix``.
    """
    source = _source_positions(length_in, length_out, outputs, dtype)
    base = np.floor(source).astype(int)
    matrix = np.zeros((len(outputs), length_in))
    row = np.arange(len(outputs))
    for tap in range(-1, 3):
        index = np.clip(base + tap, 0, length_in - 1)
        np.add.at(matrix, (row, index), _cubic_weight(np.abs(source - base - tap)))
    return matrix


def area_matrix(
    length_in: int, length_out: int, outputs: np.ndarray, dtype: type = np.float32
) -> np.ndarray:
    """Adaptive average pooling, which torch calls ``area``, ``float64 [outputs, length_in]``.

    Output i is the mean of the pixels from ``floor(i in / out)`` up to, not including,
    ``ceil((i + 1) in / out)``: up as well as down, in exact integers, whatever ``dtype``.
    """
    del dtype
    first = outputs * length_in // length_out
    last = -(-(outputs + 1) * length_in // length_out)
    pixels = np.arange(length_in)
    inside = (pixels >= first[:, None]) & (pixels < last[:, None])
    return inside / inside.sum(1, keepdims=True)


def _source_positions(
    length_in: int, length_out: int, outputs: np.ndarray, dtype: type
) -> np.ndarray:
    # In float32, as torch: at 100 pixels float64 already moves the result by 1e-5.
    scale = dtype(length_in) / dtype(length_out)
    half = dtype(0.5)
    return scale * (outputs.astype(dtype) + half) - half


def _cubic_weight(distance: np.ndarray) -> np.ndarray:
    """Keys' cubic convolution kernel (1981, equation 15) for distances of at most 2."""
    a = BICUBIC_A
    near = ((a + 2.0) * distance - (a + 3.0)) * distance**2 + 1.0
    far = ((a * distance - 5.0 * a) * distance + 8.0 * a) * distance - 4.0 * a
    return np.where(distance <= 1.0, near, far)


FILTER_LENGTH = 6  # taps of bior1.3's analysis filters, zeros included


def band_length(length: int) -> int:
    """Coefficients of one level along an axis of ``length`` pixels."""
    return (length + FILTER_LENGTH - 1) // 2


def high_pass_matrix(length: int, coefficients: np.ndarray) -> np.ndarray:
    """The high-pass coefficients asked for, ``float64 [coefficients, length]``.

    SAFE (Li et al., KDD 2025) feeds its network the HH band of a one-level ``bior1.3`` transform,
    whose high-pass filter has six taps of which four are zero: what is left is the difference of
    two neighbours, ``(x[2k-1] - x[2k-2]) / sqrt(2)``, Haar's. The longer low-pass filter never
    enters HH; the six taps show only in one more coefficient at each end, from the image's border,
    which is repeated by the reflection (``symmetric``).
    """
    matrix = np.zeros((len(coefficients), length))
    row = np.arange(len(coefficients))
    for offset, weight in ((-1, np.sqrt(0.5)), (-2, -np.sqrt(0.5))):
        place = (2 * coefficients + offset) % (2 * length)
        place = np.minimum(place, 2 * length - 1 - place)
        np.add.at(matrix, (row, place), weight)
    return matrix


def resized_high_pass(length: int, outputs: np.ndarray, dtype: type = np.float32) -> np.ndarray:
    """The band stretched to the axis's own length at ``outputs``, ``float64 [outputs, length]``.

    Bilinear, ``align_corners=False``; ``dtype`` as in ``bilinear_matrix``.
    """
    stretch = bilinear_matrix(band_length(length), length, outputs, dtype)
    used = np.flatnonzero(stretch.any(axis=0))
    return stretch[:, used] @ high_pass_matrix(length, used)
