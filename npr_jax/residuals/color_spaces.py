"""Colour spaces of the front ends: pointwise, on the device, in units of 8-bit pixels.

All take and give float ``[..., 3]``; sRGB pixels from 0 to 255 in. ``ycbcr`` and ``differences``
are linear, so they commute with every residual: ``residual(ycbcr(x)) = ycbcr(residual(x))`` up to
the constant 128. A residual of ``ycbcr`` therefore holds exactly what the one of ``rgb`` holds, and
one of ``differences`` (rank 2) less. ``lab`` is not linear: its residuals depend on the level too.
"""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from input_pipeline.errors import UserError

# ITU-R BT.601's luma; the colour channels are scaled to reach from -127.5 to 127.5 (JFIF 1.02).
_LUMA = np.array([0.299, 0.587, 0.114])
YCBCR = np.stack(
    [
        _LUMA,
        (np.array([0.0, 0.0, 1.0]) - _LUMA) / (2 * (1 - _LUMA[2])),
        (np.array([1.0, 0.0, 0.0]) - _LUMA) / (2 * (1 - _LUMA[0])),
    ]
)
DIFFERENCES = np.array([[1.0, -1.0, 0.0], [0.0, -1.0, 1.0], [1.0, 0.0, -1.0]])

# Linear sRGB to XYZ (IEC 61966-2-1) and its white point D65.
_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
_WHITE = _XYZ.sum(axis=1)
_KNEE = 6.0 / 29.0  # of CIE's cube root: below its cube the curve goes on as a line
_LAB = np.array([[0.0, 116.0 * 2.55, 0.0], [500.0, -500.0, 0.0], [0.0, 200.0, -200.0]])


def rgb(pixels: jax.Array) -> jax.Array:
    """The pixels as they are."""
    return pixels


def ycbcr(pixels: jax.Array) -> jax.Array:
    """JPEG's colours: Y from 0 to 255, Cb and Cr from 0.5 to 255.5 around 128; nothing rounded.

    Source: JFIF 1.02 (full range, ITU-R BT.601 luma).
    """
    return _linear(pixels, YCBCR) + jnp.asarray([0.0, 128.0, 128.0], pixels.dtype)


def lab(pixels: jax.Array) -> jax.Array:
    """CIE L*a*b* under D65: (2.55 L*, a* + 128, b* + 128), so 0 to 255 and about 20 to 226.

    The offset and scale are those of 8-bit Lab images. Finite with finite derivatives for every
    input, black and values outside 0 to 255 included.
    Source: CIE 15:2004, section 8.2.1; sRGB: IEC 61966-2-1.
    """
    coded = pixels / 255.0
    # Each branch gets arguments at which it is smooth: the one not taken would give NaN gradients.
    bright = jnp.maximum(coded, 0.04045)
    linear = jnp.where(coded > 0.04045, ((bright + 0.055) / 1.055) ** 2.4, coded / 12.92)
    relative = _linear(linear, _XYZ / _WHITE[:, None])
    root = jnp.cbrt(jnp.maximum(relative, _KNEE**3))
    curve = jnp.where(relative > _KNEE**3, root, relative / (3 * _KNEE**2) + 4.0 / 29.0)
    offset = jnp.asarray([-16.0 * 2.55, 128.0, 128.0], pixels.dtype)
    return _linear(curve, _LAB) + offset


def differences(pixels: jax.Array) -> jax.Array:
    """(R - G, B - G, R - B), each from -255 to 255: what is left of an image without its grey.

    The three have rank 2, since the third is the first less the second. Nothing that R, G and B
    share is seen: a grey image is zero, and so is luma noise. G is left out on purpose: with it
    the map could be inverted, and its residuals would say what those of ``rgb`` say.
    """
    return _linear(pixels, DIFFERENCES)


def _linear(pixels: jax.Array, matrix: np.ndarray) -> jax.Array:
    # Sums written out: a matrix product would run in reduced precision on an accelerator.
    channels = [pixels[..., k] for k in range(3)]
    rows = [sum(float(w) * c for w, c in zip(row, channels, strict=True) if w) for row in matrix]
    return jnp.stack(rows, axis=-1)


COLORS: Mapping[str, Callable[[jax.Array], jax.Array]] = {
    "rgb": rgb,
    "ycbcr": ycbcr,
    "lab": lab,
    "differences": differences,
}


def convert(pixels: jax.Array, color: str) -> jax.Array:
    """Float sRGB pixels ``[..., 3]`` from 0 to 255 in the colour space of that name."""
    check_color(color)
    if pixels.ndim < 1 or pixels.shape[-1] != 3 or not jnp.issubdtype(pixels.dtype, jnp.floating):
        raise UserError(
            f"pixels are {pixels.dtype} {list(pixels.shape)}; expected float [..., 3], as RGB"
        )
    return COLORS[color](pixels)


def check_color(color: str) -> None:
    """Raises ``ValueError`` unless there is a colour space of that name."""
    if color not in COLORS:
        raise UserError(f"color is {color!r}; expected one of {', '.join(COLORS)}")
