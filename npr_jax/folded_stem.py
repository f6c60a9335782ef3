"""Normalisation, residual and first convolution as one convolution on the pixels themselves.

At factor 0.5, mode ``nearest``, an even height and width and no phase the reference of pixel
``(y, x)`` is ``(2 (y // 2), 2 (x // 2))``: the residual of a 2x2 block depends on that block alone.
A 3x3 kernel of stride 2, padded by one pixel, sees rows ``2p - 1`` to ``2p + 1`` of the residual
at position p, hence rows ``2p - 2`` to ``2p + 1`` of the pixels: the whole is exactly one 4x4
kernel of stride 2. Borders are no exception, for padding is by whole blocks, which are zero. At an
odd side the small image has one pixel fewer than half of them, so that references lie elsewhere,
and nothing of this holds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from npr_jax.front_end import FrontEnd

BEFORE = 2  # rows of zeros above and columns to the left of the pixels


def folds(front_end: FrontEnd) -> bool:
    """Whether a 3x3 stem of stride 2 on this view can be one kernel, at even sides."""
    return (
        front_end.mode == "nearest"
        and front_end.factor == 0.5
        and not any(front_end.phase)
        and front_end.color == "rgb"
        and not any(front_end.offset)
        and not front_end.learned
    )


def folded_kernel(kernel: np.ndarray, scale: Sequence[float]) -> np.ndarray:
    """The kernel on pixels that does what ``kernel`` does on their scaled residual.

    Args:
        kernel: float ``[3, 3, channels, outputs]``, of stride 2 and padded by one pixel.
        scale: of each channel of the residual, see ``FrontEnd``.

    Returns:
        float64 ``[4, 4, channels, outputs]``, for a stride of 2 and zeros ``BEFORE`` the pixels.
        Each of its four 2x2 blocks adds up to zero.

    Raises:
        ValueError: for a kernel of another size.
    """
    if kernel.shape[:2] != (3, 3):
        raise ValueError(f"the kernel is {kernel.shape[0]}x{kernel.shape[1]}; only 3x3 folds")
    padded = np.pad(np.asarray(kernel, np.float64), ((1, 0), (1, 0), (0, 0), (0, 0)))
    scaled = padded * np.asarray(scale, np.float64)[:, None]
    blocks = scaled.reshape(2, 2, 2, 2, *kernel.shape[2:])
    # Every pixel of a block has its first pixel subtracted.
    blocks[:, 0, :, 0] -= blocks.sum(axis=(1, 3))
    return blocks.reshape(scaled.shape)
