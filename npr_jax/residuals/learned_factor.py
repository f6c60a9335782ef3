"""Down-sampling factors that are trained: the bilinear residual at any real factor.

A factor f that changes from step to step cannot change the size of the small image, which the
program is compiled for. So the small image keeps room for the largest factor allowed, its samples
lie 1 / f pixels apart, and both resizes are matrices of hat functions, computed on the device from
f and differentiable in it. Where ``n f`` is a whole number they are mode ``bilinear`` exactly;
between, the last sample may lie beyond the axis and repeats its last pixel, so that the residual
changes continuously with f.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from input_pipeline.errors import UserError

LIMITS = (0.1, 0.95)  # lowest and highest factor


@jax.custom_vjp
def clip_factor(factor: jax.Array, low: float = LIMITS[0], high: float = LIMITS[1]) -> jax.Array:
    """``factor`` within ``low`` to ``high``, with a gradient that can always return.

    At a limit or beyond it, a gradient whose descent would push the factor further out is
    dropped; one that pushes it back in passes. Plain clipping drops both: a factor that once
    stepped over a limit would stay there.
    """
    return jnp.clip(factor, low, high)


def _clip_forward(factor, low, high):
    return jnp.clip(factor, low, high), (factor, low, high)


def _clip_backward(saved, gradient):
    factor, low, high = saved
    # Descent moves against the gradient.
    outward = ((factor >= high) & (gradient < 0)) | ((factor <= low) & (gradient > 0))
    return jnp.where(outward, 0.0, gradient), None, None


clip_factor.defvjp(_clip_forward, _clip_backward)


def learned_operator(length: int, factor: jax.Array, high: float = LIMITS[1]) -> jax.Array:
    """The operator ``U D`` of one axis for a traced factor, in the factor's dtype ``[n, n]``.

    ``factor`` is at most ``high``, see ``clip_factor``: the program has room for
    ``floor(n high) + 1`` samples.
    """
    pixels = jnp.arange(length, dtype=factor.dtype)
    samples = jnp.arange(math.floor(length * high) + 1, dtype=factor.dtype)
    up = _hats(_up_positions(pixels, factor, length), samples)
    down = _hats(_down_positions(samples, factor, length), pixels)
    return jnp.matmul(up, down, precision=jax.lax.Precision.HIGHEST)


def host_operator(length: int, factor: float, window: slice | None = None) -> np.ndarray:
    """``learned_operator`` at a known factor, made on the host: ``float32 [n, n]``.

    ``length`` and ``window`` as in ``residual.axis_operator``; positions in float32, as
    on the device.
    """
    start, stop, _ = (window or slice(None)).indices(length)
    scale = np.float32(factor)
    places = _up_positions(np.arange(start, stop, dtype=np.float32), scale, length)
    samples = np.arange(np.floor(places.min()), np.floor(places.max()) + 2, dtype=np.float32)
    sources = _down_positions(samples, scale, length)
    down = _hats(sources, np.arange(start, stop, dtype=np.float32))
    return (_hats(places, samples) @ down).astype(np.float32)


def _up_positions(pixels: Any, factor: Any, length: int) -> Any:
    """Where the pixels lie among the samples; beyond the first and the last: on them."""
    last = (length * factor - 1).clip(0)
    return ((pixels + 0.5) * factor - 0.5).clip(0, last)


def _down_positions(samples: Any, factor: Any, length: int) -> Any:
    """Where the samples lie among the pixels, within the axis."""
    return ((samples + 0.5) / factor - 0.5).clip(0, length - 1)


def _hats(positions: Any, knots: Any) -> Any:
    """Bilinear weights of ``knots`` (one pixel apart) at ``positions``, ``[positions, knots]``.

    Both weights of a position come from one fraction, so that their gradients are of the same side
    where it lies on a knot. Those of ``1 - abs(position - knot)`` would depend on the last bit.
    """
    floor = np.floor if isinstance(positions, np.ndarray) else jnp.floor
    below = floor(positions)[:, None]
    fraction = positions[:, None] - below
    return (knots == below) * (1 - fraction) + (knots == below + 1) * fraction


def check_start(factor: float, mode: str) -> None:
    """Raises ``ValueError`` unless a factor can be trained from there in this mode."""
    if mode != "bilinear":
        raise UserError(
            f"a learned factor needs mode bilinear, not {mode}; its derivative by the "
            "others is zero or does not exist"
        )
    if not LIMITS[0] <= factor <= LIMITS[1]:
        raise UserError(
            f"factor is {factor:g}; expected {LIMITS[0]} to {LIMITS[1]} where it is learned"
        )
