"""The high-pass half of one wavelet level, along one axis, as a matrix.

SAFE (Li et al., KDD 2025) feeds its network the HH band of a one-level ``bior1.3`` transform. The
high-pass analysis filter of bior1.3 has six taps of which four are zero: what is left is the
difference of two neighbours, ``(x[2k-1] - x[2k-2]) / sqrt(2)``, Haar's. The longer low-pass
filter never enters HH; the six taps show only in one more coefficient at each end, from the
image's mirrored border.
"""

from __future__ import annotations

import numpy as np

from npr_jax.residuals.resampling import bilinear_matrix

FILTER_LENGTH = 6  # taps of bior1.3's analysis filters, zeros included


def band_length(length: int) -> int:
    """Coefficients of one level along an axis of ``length`` pixels."""
    return (length + FILTER_LENGTH - 1) // 2


def high_pass_matrix(length: int, coefficients: np.ndarray) -> np.ndarray:
    """The high-pass coefficients asked for, ``float64 [coefficients, length]``.

    The axis is continued by reflection that repeats the border pixel (``symmetric``).
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

    Bilinear, ``align_corners=False``; ``dtype`` as in ``resampling.bilinear_matrix``.
    """
    stretch = bilinear_matrix(band_length(length), length, outputs, dtype)
    used = np.flatnonzero(stretch.any(axis=0))
    return stretch[:, used] @ high_pass_matrix(length, used)
