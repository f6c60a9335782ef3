"""Neighbouring Pixel Relationships: what an image keeps after down- and up-sampling it.

``NPR_f(x) = x - U(D(x))`` (Tan et al., CVPR 2024, section 3.2): D resizes by the factor
f, U resizes back to the size of x. Every resize used here is linear and separable, so
the reference image ``U(D(x))`` is ``R_h x R_w^T`` with one small operator per axis. An
operator is either

* ``int32 [n]``: for each pixel the index of its reference pixel (mode ``nearest``), or
* ``float32 [n, n]``: the resampling matrix (modes ``bilinear`` and ``bicubic``).

Operators depend on the length of the axis alone and are made on the host; with a leading
batch axis they let images of different sizes share one padded batch.
"""

from __future__ import annotations

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np

MODES = ("nearest", "bilinear", "bicubic")
BICUBIC_A = -0.75  # torch's cubic coefficient; PIL and jax.image use -0.5


@functools.partial(jax.jit, static_argnames=("factor", "mode"))
def npr_residual(images: jax.Array, factor: float = 0.5, mode: str = "nearest") -> jax.Array:
    """Subtracts from every pixel its down-and-up-sampled reference.

    Args:
        images: float ``[..., height, width, channels]`` in any value range; any size.
        factor: down-sampling factor in the open interval (0, 1).
        mode: ``nearest`` (the paper's), ``bilinear`` or ``bicubic``, each with torch's
            conventions: no antialiasing, ``align_corners=False``.

    Returns:
        The residual, same shape and dtype as ``images``.

    Raises:
        ValueError: for a factor outside (0, 1), an unknown mode, fewer than three axes or
            integer pixels (their differences would wrap around).

    Source: Tan et al., CVPR 2024, section 3.2, equations 1 to 4.
    """
    if images.ndim < 3:
        raise ValueError(
            f"images has shape {images.shape}; expected [..., height, width, channels]"
        )
    if not jnp.issubdtype(images.dtype, jnp.floating):
        raise ValueError(f"images has dtype {images.dtype}; convert the pixels to float first")
    height, width = images.shape[-3:-1]
    flat = images.reshape(-1, *images.shape[-3:])
    rows = axis_operator(height, factor, mode)
    columns = axis_operator(width, factor, mode)
    return subtract_reference(flat, rows, columns).reshape(images.shape)


def subtract_reference(
    images: jax.Array, rows: jax.Array | np.ndarray, columns: jax.Array | np.ndarray
) -> jax.Array:
    """``x - R_h x R_w^T`` for float ``[b, h, w, c]`` images and operators of the module's kind.

    ``rows`` and ``columns`` are ``int32 [n]`` / ``[b, n]`` or ``float32 [n, n]`` / ``[b, n, n]``.
    """
    if jnp.issubdtype(rows.dtype, jnp.integer):
        reference = _gather(_gather(images, rows, axis=1), columns, axis=2)
    else:
        product = functools.partial(jnp.einsum, precision=jax.lax.Precision.HIGHEST)
        row_axes, column_axes = ("ih", "jw") if rows.ndim == 2 else ("bih", "bjw")
        reference = product(f"{row_axes},bhwc->biwc", rows.astype(images.dtype), images)
        reference = product(f"{column_axes},biwc->bijc", columns.astype(images.dtype), reference)
    return images - reference


def _gather(images: jax.Array, indices: jax.Array | np.ndarray, axis: int) -> jax.Array:
    if indices.ndim == 1:
        return jnp.take(images, indices, axis=axis, mode="clip")
    shape = [1] * images.ndim
    shape[0], shape[axis] = indices.shape
    return jnp.take_along_axis(images, indices.reshape(shape), axis=axis, mode="clip")


def axis_operator(length: int, factor: float, mode: str, window: slice | None = None) -> np.ndarray:
    """The operator ``U D`` of one axis: ``int32 [n]`` for nearest, else ``float32 [n, n]``.

    Args:
        length: pixels of the whole axis.
        factor: down-sampling factor in (0, 1).
        mode: one of ``MODES``.
        window: the part ``[start, stop)`` of the axis that is at hand, None: all of it; n is
            its length and indices count from its start. References outside the window are
            clipped (nearest) or dropped, so results count only ``reference_reach`` or more
            pixels away from an edge of the window that is no edge of the axis.

    Raises:
        ValueError: for a factor outside (0, 1), an unknown mode or an empty axis.
    """
    check_residual(factor, mode)
    if length < 1:
        raise ValueError(f"an image axis has length {length}; expected at least 1")
    start, stop, _ = (window or slice(None)).indices(length)
    small = max(1, math.floor(length * factor))
    if mode == "nearest":
        references = nearest_indices(length, small)[nearest_indices(small, length)]
        return np.clip(references[start:stop] - start, 0, stop - start - 1)
    weights = {"bilinear": bilinear_matrix, "bicubic": bicubic_matrix}[mode]
    up = weights(small, length, np.arange(start, stop))
    used = np.flatnonzero(up.any(axis=0))
    down = weights(length, small, used)[:, start:stop]
    return (up[:, used] @ down).astype(np.float32)


def reference_reach(factor: float) -> int:
    """Pixels, at most, between a pixel and anything its reference depends on (any mode)."""
    # Bicubic: under three cells of 1 / factor pixels on the way up, two pixels down.
    return math.ceil(3 / factor) + 3


def check_residual(factor: float, mode: str) -> None:
    """Raises ``ValueError`` unless factor and mode describe a residual."""
    if not 0.0 < factor < 1.0:
        raise ValueError(f"factor is {factor}; expected a number between 0 and 1, exclusive")
    if mode not in MODES:
        raise ValueError(f"mode is {mode!r}; expected one of {', '.join(MODES)}")


def nearest_indices(length_in: int, length_out: int) -> np.ndarray:
    """Source index of every output position, ``int32 [length_out]``: torch's ``nearest``.

    torch computes in float32 and that is observable: exact integers and float64 choose
    another pixel at some sizes for f = 1/4, 3/4, 1/3 and 1/8.
    """
    scale = np.float32(length_in) / np.float32(length_out)
    source = np.floor(np.arange(length_out, dtype=np.float32) * scale).astype(np.int32)
    return np.minimum(source, length_in - 1)


def bilinear_matrix(length_in: int, length_out: int, outputs: np.ndarray) -> np.ndarray:
    """Two-tap interpolation at ``outputs`` as a matrix, ``float64 [outputs, length_in]``."""
    source = np.maximum(_source_positions(length_in, length_out, outputs), 0.0)
    lower = np.minimum(np.floor(source).astype(int), length_in - 1)
    upper = np.minimum(lower + 1, length_in - 1)
    fraction = source - lower
    matrix = np.zeros((len(outputs), length_in))
    row = np.arange(len(outputs))
    np.add.at(matrix, (row, lower), 1.0 - fraction)
    np.add.at(matrix, (row, upper), fraction)
    return matrix


def bicubic_matrix(length_in: int, length_out: int, outputs: np.ndarray) -> np.ndarray:
    """Cubic convolution (a = -0.75) at ``outputs``, ``float64 [outputs, length_in]``."""
    source = _source_positions(length_in, length_out, outputs)
    base = np.floor(source).astype(int)
    matrix = np.zeros((len(outputs), length_in))
    row = np.arange(len(outputs))
    for tap in range(-1, 3):
        index = np.clip(base + tap, 0, length_in - 1)
        np.add.at(matrix, (row, index), _cubic_weight(np.abs(source - base - tap)))
    return matrix


def _source_positions(length_in: int, length_out: int, outputs: np.ndarray) -> np.ndarray:
    # In float32, as torch: at 100 pixels float64 already moves the result by 1e-5.
    scale = np.float32(length_in) / np.float32(length_out)
    half = np.float32(0.5)
    return scale * (outputs.astype(np.float32) + half) - half


def _cubic_weight(distance: np.ndarray) -> np.ndarray:
    """Keys' cubic convolution kernel (1981, equation 15) for distances of at most 2."""
    a = BICUBIC_A
    near = ((a + 2.0) * distance - (a + 3.0)) * distance**2 + 1.0
    far = ((a * distance - 5.0 * a) * distance + 8.0 * a) * distance - 4.0 * a
    return np.where(distance <= 1.0, near, far)
