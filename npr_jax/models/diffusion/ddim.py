"""DDIM without randomness: images to noise and back, for any noise predictor; noise schedules.

Song et al., "Denoising Diffusion Implicit Models", ICLR 2021, equation 12 with sigma = 0, and the
same equation read backwards (their equation 13; DIRE, Wang et al., ICCV 2023, section 3).
"""

import dataclasses
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from input_pipeline.errors import UserError

SCHEDULES = ("linear", "cosine")
_LARGEST_BETA = 0.999


def betas(name: str, steps: int) -> np.ndarray:
    """The variance that each step of the forward process adds, float64 ``[steps]``, in (0, 1).

    ``linear``: from 1e-4 to 0.02 at 1000 steps, scaled by ``1000 / steps`` at others (Ho et al.,
    NeurIPS 2020, section 4); ``cosine``: Nichol and Dhariwal, ICML 2021, equation 17, with s =
    0.008 and no beta above 0.999. ``UserError`` for another name or fewer than 20 steps.
    """
    if name not in SCHEDULES:
        raise UserError(f"schedule is {name!r}; expected one of {', '.join(SCHEDULES)}")
    if steps < 20:
        # The linear schedule's last beta would reach 1.
        raise UserError(f"the forward process has {steps} steps; expected at least 20, as 1000")
    if name == "linear":
        largest = 0.02 * 1000 / steps
        return np.minimum(np.linspace(0.1 / steps, largest, steps), _LARGEST_BETA)
    angle = (np.arange(steps + 1) / steps + 0.008) / 1.008 * math.pi / 2
    kept = np.cos(angle) ** 2
    return np.minimum(1 - kept[1:] / kept[:-1], _LARGEST_BETA)


def alpha_bars(name: str, steps: int) -> np.ndarray:
    """The share of the image's variance that is left after each step, float64 ``[steps]``.

    ``x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) noise``; arguments as ``betas``.
    """
    return np.cumprod(1 - betas(name, steps))


def respaced_timesteps(steps: int, count: int) -> np.ndarray:
    """The time steps, int32 ``[count]``, of a sampler that visits only some: evenly from 0 up.

    Where ``count`` divides ``steps`` the stride is ``steps / count``: 0, 50, ..., 950 for 20 of
    1000 (Song et al., ICLR 2021, appendix D.3, "linear").
    """
    if not 1 <= count <= steps:
        raise UserError(f"ddim_steps is {count}; expected 1 to {steps}, the schedule's own steps")
    return (np.arange(count, dtype=np.int64) * steps // count).astype(np.int32)


@dataclasses.dataclass(frozen=True)
class Trajectory:
    """The S + 1 noise levels between an image (level 0) and noise (level S)."""

    timesteps: np.ndarray  # int32 ``[S]``: what the noise predictor is told at levels 1 to S
    signal: np.ndarray  # float32 ``[S + 1]``: sqrt(alpha_bar), 1 at level 0
    noise: np.ndarray  # float32 ``[S + 1]``: sqrt(1 - alpha_bar), 0 at level 0


def trajectory(name: str, steps: int, count: int) -> Trajectory:
    """The levels of a sampler with ``count`` steps; arguments and errors as above."""
    timesteps = respaced_timesteps(steps, count)
    kept = np.concatenate([[1.0], alpha_bars(name, steps)[timesteps]])
    # Roots of float64: in float32 1 - alpha_bar would lose half its digits at the first steps.
    return Trajectory(
        timesteps=timesteps,
        signal=np.sqrt(kept).astype(np.float32),
        noise=np.sqrt(1 - kept).astype(np.float32),
    )


NoisePredictor = Callable[[jax.Array, jax.Array], jax.Array]
"""``(x float32 [b, h, w, c], time step int32 [b]) -> noise``, the shape of ``x``."""


def to_signed(images: jax.Array) -> jax.Array:
    """uint8 pixels to float32 in [-1, 1]."""
    return images.astype(jnp.float32) / 127.5 - 1.0


def ddim_step(
    x: jax.Array,
    noise: jax.Array,
    start: tuple[jax.Array, jax.Array],
    end: tuple[jax.Array, jax.Array],
    *,
    clip: bool,
) -> jax.Array:
    """Moves images from one noise level to another, in either direction.

    Args:
        x: float ``[b, h, w, c]`` at the level ``start``.
        noise: what the predictor says is in it, of the same shape.
        start: scalars (sqrt(alpha_bar), sqrt(1 - alpha_bar)) of the level of ``x``.
        end: those of the level to go to.
        clip: whether the image seen behind the noise is clipped to [-1, 1] first. The noise then is
            what remains, as in the sampler of Dhariwal and Nichol, NeurIPS 2021.
    """
    (signal, deviation), (next_signal, next_deviation) = start, end
    image = (x - deviation * noise) / signal
    if clip:
        image = jnp.clip(image, -1.0, 1.0)
        # At the clean image nothing remains from which noise could be read.
        remaining = (x - signal * image) / jnp.where(deviation > 0, deviation, 1.0)
        noise = jnp.where(deviation > 0, remaining, noise)
    return next_signal * image + next_deviation * noise


def invert(
    predictor: NoisePredictor, images: jax.Array, way: Trajectory, *, clip: bool = True
) -> jax.Array:
    """The noise from which ``reconstruct`` makes the images again, if the steps are small.

    Float32 ``[b, h, w, c]`` in [-1, 1] to the same shape at the trajectory's last level; ``clip``:
    see ``ddim_step``. The clean image has no time step of its own; the predictor is told the first
    one.
    """
    timesteps = jnp.asarray(way.timesteps)
    known = jnp.concatenate([timesteps[:1], timesteps[:-1]])
    levels = jnp.stack([way.signal, way.noise], axis=1)
    return _pass(predictor, images, (known, levels[:-1], levels[1:]), clip=clip)


def reconstruct(
    predictor: NoisePredictor, noise: jax.Array, way: Trajectory, *, clip: bool = True
) -> jax.Array:
    """The images that noise becomes: deterministic sampling, the trajectory backwards.

    Float32 ``[b, h, w, c]`` at the trajectory's last level to the same shape; in [-1, 1] with
    ``clip``.
    """
    timesteps = jnp.asarray(way.timesteps)[::-1]
    levels = jnp.stack([way.signal, way.noise], axis=1)[::-1]
    return _pass(predictor, noise, (timesteps, levels[:-1], levels[1:]), clip=clip)


def _pass(
    predictor: NoisePredictor, x: jax.Array, steps: tuple[jax.Array, ...], *, clip: bool
) -> jax.Array:
    """Takes all steps, (time step told, level before, level after), in one compiled loop."""

    def step(x, move):
        timestep, start, end = move
        noise = predictor(x, jnp.full(x.shape[:1], timestep))
        return ddim_step(x, noise, (start[0], start[1]), (end[0], end[1]), clip=clip), None

    return lax.scan(step, x, steps)[0]


def error_map(predictor: NoisePredictor, images: jax.Array, way: Trajectory) -> jax.Array:
    """DIRE's input to its classifier: how far an image is from its own reconstruction.

    uint8 ``[b, h, w, 3]`` to the same: ``|x - x'| * 127.5`` with both in [-1, 1], cut to whole
    numbers. One level is thus one level of the image's own 0 to 255.
    """
    x = to_signed(images)
    again = reconstruct(predictor, invert(predictor, x, way), way)
    # Rounding error must not cut 3 levels, computed as 2.9999995, to 2.
    error = jnp.abs(x - again) * 127.5 + 1e-3
    return jnp.clip(error, 0, 255).astype(jnp.uint8)
