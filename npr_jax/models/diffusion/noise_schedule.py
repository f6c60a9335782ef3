"""How much noise an image carries at which time step, and which steps a sampler visits."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from input_pipeline.errors import UserError

SCHEDULES = ("linear", "cosine")
_LARGEST_BETA = 0.999


def betas(name: str, steps: int) -> np.ndarray:
    """The variance that each step of the forward process adds.

    Args:
        name: ``linear``: from 1e-4 to 0.02 at 1000 steps, scaled by ``1000 / steps`` at others
            (Ho et al., NeurIPS 2020, section 4); ``cosine``: Nichol and Dhariwal, ICML 2021,
            equation 17, with s = 0.008 and no beta above 0.999.
        steps: of the forward process, at least 20.

    Returns:
        float64 ``[steps]``, in (0, 1).

    Raises:
        ValueError: for another name or too few steps.
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
    """The time steps of a sampler that visits only some: evenly spaced, from 0 up.

    Where ``count`` divides ``steps`` the stride is ``steps / count``: 0, 50, ..., 950 for 20 of
    1000 (Song et al., ICLR 2021, appendix D.3, "linear").

    Returns:
        int32 ``[count]``, increasing.

    Raises:
        ValueError: unless ``count`` is from 1 to ``steps``.
    """
    if not 1 <= count <= steps:
        raise UserError(f"ddim_steps is {count}; expected 1 to {steps}, the schedule's own steps")
    return (np.arange(count, dtype=np.int64) * steps // count).astype(np.int32)


@dataclasses.dataclass(frozen=True)
class Trajectory:
    """The S + 1 noise levels between an image (level 0) and noise (level S).

    Attributes:
        timesteps: int32 ``[S]``: what the noise predictor is told at levels 1 to S.
        signal: float32 ``[S + 1]``: sqrt(alpha_bar), 1 at level 0.
        noise: float32 ``[S + 1]``: sqrt(1 - alpha_bar), 0 at level 0.
    """

    timesteps: np.ndarray
    signal: np.ndarray
    noise: np.ndarray


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
