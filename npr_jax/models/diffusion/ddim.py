"""DDIM without randomness: images to noise and back, for any noise predictor.

Song et al., "Denoising Diffusion Implicit Models", ICLR 2021, equation 12 with sigma = 0, and the
same equation read backwards (their equation 13; DIRE, Wang et al., ICCV 2023, section 3).
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from npr_jax.models.diffusion.noise_schedule import Trajectory

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
        clip: whether the image seen behind the noise is clipped to [-1, 1] first. The noise then
            is what remains, as in the sampler of Dhariwal and Nichol, NeurIPS 2021.
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

    The clean image has no time step of its own; the predictor is told the first one there.

    Args:
        predictor: see ``NoisePredictor``.
        images: float32 ``[b, h, w, c]`` in [-1, 1].
        way: the noise levels to pass.
        clip: see ``ddim_step``.

    Returns:
        float32, the shape of ``images``, at the trajectory's last level.
    """
    timesteps = jnp.asarray(way.timesteps)
    known = jnp.concatenate([timesteps[:1], timesteps[:-1]])
    levels = jnp.stack([way.signal, way.noise], axis=1)
    return _pass(predictor, images, (known, levels[:-1], levels[1:]), clip=clip)


def reconstruct(
    predictor: NoisePredictor, noise: jax.Array, way: Trajectory, *, clip: bool = True
) -> jax.Array:
    """The images that noise becomes: deterministic sampling.

    Args:
        predictor: see ``NoisePredictor``.
        noise: float32 ``[b, h, w, c]`` at the trajectory's last level.
        way: the noise levels to pass, backwards.
        clip: see ``ddim_step``.

    Returns:
        float32, the shape of ``noise``; in [-1, 1] with ``clip``.
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

    Args:
        predictor: see ``NoisePredictor``.
        images: uint8 ``[b, h, w, 3]``.
        way: the noise levels to pass.

    Returns:
        uint8, the shape of ``images``: ``|x - x'| * 127.5`` with both in [-1, 1], cut to whole
        numbers. One level is thus one level of the image's own 0 to 255.
    """
    x = to_signed(images)
    again = reconstruct(predictor, invert(predictor, x, way), way)
    # Rounding error must not cut 3 levels, computed as 2.9999995, to 2.
    error = jnp.abs(x - again) * 127.5 + 1e-3
    return jnp.clip(error, 0, 255).astype(jnp.uint8)
