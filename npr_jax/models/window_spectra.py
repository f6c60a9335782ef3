"""Mean log-amplitude spectra of an image's windows, as a feature map that can be tiled."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from npr_jax.models.base import Grid

WINDOW = 32  # pixels: the smallest image is one window
STRIDE = WINDOW // 2  # half a Hann window, so that all pixels count about alike (Welch, 1967)
BINS = WINDOW // 2 + 1  # horizontal frequencies 0, 1/32, ..., 1/2 cycles per pixel
# Windows that do not lie inside the image have no position: the mean over positions is the
# mean over whole windows, whatever padding or tiles surround them.
WINDOW_GRID = Grid(stride=STRIDE, reach=WINDOW, field=WINDOW)
# Weights of red, green and blue in grey, ITU-R BT.601.
GREY = (0.299, 0.587, 0.114)


def log_amplitudes(pixels: jax.Array) -> jax.Array:
    """Spectra of all windows of 32x32 pixels at steps of 16.

    Args:
        pixels: float32 ``[b, h, w, 3]``, values 0 to 255, ``h`` and ``w`` at least 32.

    Returns:
        ``log(1 + |F|)`` of the grey, Hann-windowed pixels: float32
        ``[b, (h - 32) // 16 + 1, (w - 32) // 16 + 1, 17 * 32]``, horizontal frequencies outside,
        vertical ones (0 to 31, from 17 on the negative ones) inside. Quantisation to 8 bits alone
        gives ``|F|`` of about 3.5.
    """
    grey = (pixels * np.array(GREY, np.float32)).sum(axis=-1)
    rows, columns = (_window_starts(n) for n in grey.shape[1:])
    inside = np.arange(WINDOW)
    # [b, windows down, 32, windows along, 32]
    windows = grey[:, rows[:, None] + inside][..., columns[:, None] + inside]
    # The periodic Hann window, as for spectra.
    hann = (0.5 - 0.5 * np.cos(2 * np.pi * inside / WINDOW)).astype(np.float32)
    windows = windows * hann[:, None, None] * hann
    spectra = jnp.fft.fft(jnp.fft.rfft(windows, axis=4), axis=2)
    spectra = jnp.log1p(jnp.abs(spectra)).transpose(0, 1, 3, 4, 2)
    return spectra.reshape(*spectra.shape[:3], BINS * WINDOW)


def _window_starts(length: int) -> np.ndarray:
    return STRIDE * np.arange(WINDOW_GRID.positions(length))
