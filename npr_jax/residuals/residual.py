"""Residual front ends: what an image keeps after down- and up-sampling it, and two relatives.

``NPR_f(x) = x - U(D(x))`` (Tan et al., CVPR 2024, section 3.2): D resizes by the factor f, U
resizes back to the size of x. Every front end here is linear and separable and needs one small
operator per axis:

* modes ``nearest``, ``bilinear``, ``bicubic``, ``area``: ``x - R_h x R_w^T``, R the operator U D;
* mode ``hh``: ``A_h x A_w^T``, A the high-pass of a wavelet level stretched to the image's size;
* mode ``none``: x itself.

An operator is ``int32 [n]``, for each pixel the index of its reference pixel (``nearest``), or the
matrix, ``float32 [n, n]``; that of ``none`` is empty. Operators depend on the length of the
axis alone and are made on the host; with a leading batch axis they let images of different sizes
share one padded batch. Frequency responses and linear dependences: docs/residuals.md.
"""

import functools
import math
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np

from input_pipeline.errors import UserError
from npr_jax.residuals.resampling import (
    area_matrix,
    band_length,
    bicubic_matrix,
    bilinear_matrix,
    nearest_indices,
    resized_high_pass,
)

LONGEST_PERIOD = 32  # pixels
LONGEST_AXIS = 65_536  # pixels up to which a period is checked
RESIZES = {"bilinear": bilinear_matrix, "bicubic": bicubic_matrix, "area": area_matrix}
MODES = ("nearest", *RESIZES, "hh", "none")
RESIDUAL_MODES = ("nearest", *RESIZES)  # those that have a factor


def npr_residual(
    images: jax.Array, factor: float = 0.5, mode: str = "nearest", phase: tuple[int, int] = (0, 0)
) -> jax.Array:
    """The residual of images of one size: by default every pixel minus its reference pixel.

    What ``FrontEnd`` computes of whole images, before it scales the result. Source: Tan et al.,
    CVPR 2024, section 3.2, equations 1 to 4; the phase: its table 7.

    Args:
        images: float ``[..., height, width, channels]`` in any value range; shape and dtype stay.
        factor: down-sampling factor in the open interval (0, 1); no matter to ``hh`` and ``none``.
        mode: ``nearest`` (the paper's), ``bilinear``, ``bicubic`` or ``area``, each with torch's
            conventions (no antialiasing, ``align_corners=False``), ``hh`` or ``none``.
        phase: (row, column) of the reference pixel within its block, for ``nearest``.

    Raises:
        UserError: for a factor outside (0, 1), an unknown mode, a phase outside the block, fewer
            than three axes or integer pixels (their differences would wrap around).
    """
    if images.ndim < 3:
        raise UserError(f"images has shape {images.shape}; expected [..., height, width, channels]")
    if not jnp.issubdtype(images.dtype, jnp.floating):
        raise UserError(f"images has dtype {images.dtype}; convert the pixels to float first")
    height, width = images.shape[-3:-1]
    flat = images.reshape(-1, *images.shape[-3:])
    rows = axis_operator(height, factor, mode, phase=phase[0])
    columns = axis_operator(width, factor, mode, phase=phase[1])
    return apply_operators(flat, rows, columns, mode).reshape(images.shape)


def apply_operators(
    images: jax.Array, rows: jax.Array | np.ndarray, columns: jax.Array | np.ndarray, mode: str
) -> jax.Array:
    """The view of float ``[b, h, w, c]`` images that ``mode`` makes with ``axis_operator``'s two.

    ``rows`` and ``columns`` are ``int32 [n]`` / ``[b, n]`` or ``float32 [n, n]`` / ``[b, n, n]``.
    """
    if mode == "none":
        return images
    if mode == "nearest":
        return images - _gather(_gather(images, rows, axis=1), columns, axis=2)
    product = _product(images, rows, columns)
    return product if mode == "hh" else images - product


def _product(
    images: jax.Array, rows: jax.Array | np.ndarray, columns: jax.Array | np.ndarray
) -> jax.Array:
    product = functools.partial(jnp.einsum, precision=jax.lax.Precision.HIGHEST)
    row_axes, column_axes = ("ih", "jw") if rows.ndim == 2 else ("bih", "bjw")
    first = product(f"{row_axes},bhwc->biwc", rows.astype(images.dtype), images)
    return product(f"{column_axes},biwc->bijc", columns.astype(images.dtype), first)


def _gather(images: jax.Array, indices: jax.Array | np.ndarray, axis: int) -> jax.Array:
    if indices.ndim == 1:
        return jnp.take(images, indices, axis=axis, mode="clip")
    shape = [1] * images.ndim
    shape[0], shape[axis] = indices.shape
    return jnp.take_along_axis(images, indices.reshape(shape), axis=axis, mode="clip")


def axis_operator(
    length: int,
    factor: float,
    mode: str,
    window: slice | None = None,
    *,
    phase: int = 0,
    dtype: type = np.float32,
) -> np.ndarray:
    """The operator of one axis: ``int32 [n]`` for nearest, ``[0]`` for none, else ``[n, n]``.

    Args:
        length: pixels of the whole axis.
        factor: down-sampling factor in (0, 1); the axis shrinks to ``max(1, floor(n f))``.
        mode: one of ``MODES``.
        window: the part ``[start, stop)`` of the axis that is at hand, None: all of it; n is its
            length and indices count from its start. References outside the window are clipped
            (nearest) or dropped, so results count only ``reference_reach`` or more pixels away from
            an edge of the window that is no edge of the axis.
        phase: of nearest: how many pixels after the first of its block the reference lies.
        dtype: of the matrix and of the positions it is computed from: float32, or float64 where
            ranks and identities are to be proven.
    """
    check_residual(factor, mode, phase)
    if length < 1:
        raise UserError(f"an image axis has length {length}; expected at least 1")
    start, stop, _ = (window or slice(None)).indices(length)
    if mode == "none":
        return np.zeros(0, np.int32)
    outputs = np.arange(start, stop)
    if mode == "hh":
        return resized_high_pass(length, outputs, dtype)[:, start:stop].astype(dtype)
    small = small_length(length, factor)
    if mode == "nearest":
        chosen = np.minimum(nearest_indices(length, small) + np.int32(phase), length - 1)
        references = chosen[nearest_indices(small, length)]
        return np.clip(references[start:stop] - start, 0, stop - start - 1)
    up = RESIZES[mode](small, length, outputs, dtype)
    used = np.flatnonzero(up.any(axis=0))
    down = RESIZES[mode](length, small, used, dtype)[:, start:stop]
    return (up[:, used] @ down).astype(dtype)


def small_length(length: int, factor: float) -> int:
    """Pixels that are left of an axis after the down-sampling."""
    return max(1, math.floor(length * factor))


@functools.cache
def period(factor: float, mode: str) -> int:
    """Pixels after which the pattern of an axis' operator repeats, at most ``LONGEST_PERIOD``.

    At lengths that are multiples of it every pixel has the same references, counted from the
    first: the operator of a shorter axis is the beginning of a longer one's. At other lengths
    torch's rules stretch or shift the pattern. It is the denominator of the factor, and 2 for
    ``hh``, whose band is stretched by the same two coefficients at all even lengths. 1 where there
    is nothing to repeat, or no such length: for factors without so small a denominator, and few,
    as 0.7, at which rounding breaks the pattern.
    """
    if mode not in RESIDUAL_MODES:
        return 2 if mode == "hh" else 1
    ratio = Fraction(factor).limit_denominator(LONGEST_PERIOD)
    pixels = ratio.denominator
    lengths = np.arange(pixels, LONGEST_AXIS + 1, pixels)
    whole = lengths // pixels * ratio.numerator
    if float(ratio) != factor or (np.floor(lengths * factor) != whole).any():
        return 1
    references = axis_operator(int(lengths[-1]), factor, "nearest").reshape(-1, pixels)
    repeats = references - references[:, :1] == references[0] - references[0, 0]
    return pixels if repeats.all() and (np.diff(references[:, 0]) == pixels).all() else 1


def reference_reach(length: int, factor: float, mode: str) -> int:
    """Pixels, at most, between a pixel and anything its view depends on, any phase.

    Depends on the length of the whole axis: a cell, what one pixel of the small image stands for,
    can be longer than ``1 / factor``.
    """
    if mode == "none":
        return 0
    if mode == "hh":
        # A coefficient is stretched over up to two pixels on each side; half the filter more,
        # and the band's two extra coefficients shift it by up to two pixels.
        return math.ceil(2 * length / band_length(length)) + 4
    cell = length / small_length(length, factor)
    # Of the way up, in cells, then of the way down, in pixels (area: in cells, counted before).
    cells, pixels = {"nearest": (2, 1), "bilinear": (1, 2), "bicubic": (2, 3), "area": (2, 1)}[mode]
    return math.ceil(cells * cell) + pixels


def check_residual(factor: float, mode: str, phase: int = 0) -> None:
    """Raises ``ValueError`` unless factor, mode and phase describe a front end."""
    if mode not in MODES:
        raise UserError(f"mode is {mode!r}; expected one of {', '.join(MODES)}")
    if mode in RESIDUAL_MODES and not 0.0 < factor < 1.0:
        raise UserError(f"factor is {factor}; expected a number between 0 and 1, exclusive")
    if phase and mode != "nearest":
        raise UserError(f"phase is {phase} for mode {mode}; only nearest has a reference pixel")
    if phase and not 0 <= phase < math.ceil(1 / factor):
        raise UserError(
            f"phase is {phase} at factor {factor:g}; expected 0 to {math.ceil(1 / factor) - 1}, "
            "the pixels of a block"
        )
