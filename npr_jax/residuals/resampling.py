"""Resizing one axis as a matrix: torch's ``interpolate`` for every mode, without antialiasing.

Each function gives the weights with which the pixels of one axis make the pixels of the resized
axis, at the ``outputs`` asked for only, so that a tile of a large image needs no whole matrix.
"""

from __future__ import annotations

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
