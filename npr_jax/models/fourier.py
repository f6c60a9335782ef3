"""FreqNet's operations on spectra, each in the cheapest form that is exactly the same.

Source: Tan et al., AAAI 2024, sections 3.2 and 3.3. As published they are transform, change,
inverse transform, real part, ReLU. Of real input the real part needs less than that, which
``tests/models/test_fourier.py`` checks against the definition:

- Zeroing frequencies keeps the mean of the mask at a frequency and at its negative: a half-sided
  real transform with that mask gives the same numbers.
- Along the channels the operation is one constant matrix.
- 1x1 convolutions A on the real and B on the imaginary parts act on the even and the odd part of
  the image: ``A (x + x')/2 + B (x - x')/2``, where x' is x turned by 180 degrees about pixel
  (0, 0), periodically. No transform is needed.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from npr_jax.models import derivatives


def high_frequencies(x: jax.Array) -> jax.Array:
    """FreqNet's ``hfreqWH``: the central half of the shifted 2-D spectrum zeroed, then ReLU.

    Of an axis of n frequencies, zero at place n // 2, the places from n // 2 - n // 4 up to, but
    without, n // 2 + n // 4 are zeroed where both axes are in that range; n may be odd.

    Args:
        x: real ``[b, h, w, c]``; transformed in float32.

    Returns:
        The same shape and dtype.
    """
    height, width = x.shape[1:3]
    removed = np.outer(_central_half(height), _central_half(width))
    # The mask at (-k, -l) is the one read backwards, but for frequency 0, which keeps its place.
    mirrored = np.roll(removed[::-1, ::-1], (1, 1), axis=(0, 1))
    kept = 1.0 - 0.5 * (removed + mirrored)[:, : width // 2 + 1, None]
    spectrum = jnp.fft.rfft2(x.astype(jnp.float32), axes=(1, 2), norm="ortho")
    spectrum *= kept.astype(np.float32)
    filtered = jnp.fft.irfft2(spectrum, s=(height, width), axes=(1, 2), norm="ortho")
    return derivatives.relu(filtered).astype(x.dtype)


def high_channel_frequencies(x: jax.Array) -> jax.Array:
    """FreqNet's ``hfreqC``: the same along the channels of ``[b, h, w, c]``."""
    channels = x.shape[-1]
    kept = (1.0 - _central_half(channels))[:, None]
    matrix = np.fft.ifft(kept * np.fft.fft(np.eye(channels), axis=0), axis=0).real
    product = jnp.matmul(
        x.astype(jnp.float32), matrix.T.astype(np.float32), precision=jax.lax.Precision.HIGHEST
    )
    return derivatives.relu(product).astype(x.dtype)


def convolve_spectrum(x: jax.Array, real: jax.Array, imaginary: jax.Array) -> jax.Array:
    """FreqNet's ``FCL``: 1x1 convolutions of the spectrum's real and imaginary part, then ReLU.

    Args:
        x: real ``[b, h, w, i]``.
        real: ``[i, o]``, the dtype of ``x``.
        imaginary: ``[i, o]``.

    Returns:
        ``[b, h, w, o]``.
    """
    kernel = jnp.concatenate([real + imaginary, real - imaginary], axis=1) / 2
    straight, turned = jnp.split(derivatives.convolution_1x1(x, kernel), 2, axis=-1)
    return derivatives.relu(straight + _turn(turned))


def _turn(x: jax.Array) -> jax.Array:
    """``x[-i mod h, -j mod w]`` at (i, j)."""
    return jnp.roll(x[:, ::-1, ::-1], (1, 1), axis=(1, 2))


def _central_half(length: int) -> np.ndarray:
    """1 at the frequencies that are zeroed, float64 ``[length]``, in the transform's order."""
    central = np.zeros(length)
    central[length // 2 - length // 4 : length // 2 + length // 4] = 1.0
    return np.fft.ifftshift(central)
