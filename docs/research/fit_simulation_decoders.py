"""Refits the networks of `simulation/decoders.py` to noise-free photographs of rendered scenes.

    python -m docs.research.fit_simulation_decoders [--families nearest_conv] [--steps N]

Each network is fitted to reproduce photographs pixel by pixel (mean absolute error) and in their
mean azimuthal power spectrum, so that its pictures are neither tinted nor blurred on average.
"""

from __future__ import annotations

import argparse
import functools
import pathlib
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from docs.research.scripts import run_script
from input_pipeline.simulation import camera, decoders, scenes
from input_pipeline.storage.atomic_files import whole_file

_SEED = 20231016
_SIDE = 72
_CROP = 48
_NOISE_FLOOR = 1.0
_SPECTRUM_WEIGHT = 2.0


def clean_photographs(seed: int, number: int, side: int) -> np.ndarray:
    """Noise-free pictures of scenes 0..number-1; float32 [number, side, side, 3], 8-bit levels."""
    pictures = np.empty((number, side, side, 3), np.float32)
    for index in range(number):
        settings = camera.draw_camera(seed, index)
        radiance = scenes.render_scene(seed, index, scenes.SUPERSAMPLING * side)
        pictures[index] = camera.develop(settings, camera.expose(settings, radiance)[None])[0]
    return pictures


def fit_family(family: str, photographs: np.ndarray, steps: int, batch: int) -> decoders.Parameters:
    """Fits one family.

    Args:
        family: a name in `decoders.FAMILIES`.
        photographs: float32 [n, h, w, 3], 8-bit levels, square.
        steps: optimisation steps.
        batch: photographs per step.

    Returns:
        The parameters after the last step.
    """
    noise = decoders.FAMILIES[family].input_noise
    schedule = optax.cosine_decay_schedule(3e-3, steps, alpha=0.02)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule))
    parameters = decoders.initial_parameters(family, jax.random.key(_SEED))
    rings = _rings(_CROP)

    def loss_fn(parameters, targets, key):
        inputs = targets + noise * jax.random.normal(key, targets.shape)
        outputs = decoders.apply(family, parameters, inputs)
        difference = _log_spectrum(outputs, rings) - _log_spectrum(targets, rings)
        distance = jnp.mean(jnp.abs(outputs - targets))
        return distance + _SPECTRUM_WEIGHT * jnp.mean(jnp.abs(difference))

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(parameters, state, targets, key):
        loss, gradients = jax.value_and_grad(loss_fn)(parameters, targets, key)
        updates, state = optimizer.update(gradients, state)
        return optax.apply_updates(parameters, updates), state, loss

    state = optimizer.init(parameters)
    rng = np.random.default_rng(_SEED)
    keys = jax.random.split(jax.random.key(_SEED + 1), steps)
    for number in range(steps):
        top, left = rng.integers(0, _SIDE - _CROP + 1, 2)
        chosen = photographs[rng.integers(0, len(photographs), batch)]
        chosen = chosen[:, top : top + _CROP, left : left + _CROP]
        if rng.uniform() < 0.5:
            chosen = chosen[:, :, ::-1]
        parameters, state, loss = step(parameters, state, chosen, keys[number])
        if (number + 1) % 250 == 0:
            print(f"{family}: step {number + 1}, loss {float(loss):.3f} levels", flush=True)
    return parameters


def save_parameters(path: pathlib.Path, parameters: decoders.Parameters) -> None:
    """Writes parameters as float16 to an .npz, in place of an older one only when complete."""
    arrays: dict[str, Any] = {name: np.asarray(v, np.float16) for name, v in parameters.items()}
    with whole_file(path) as file:
        np.savez_compressed(file, **arrays)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--families", nargs="*", default=list(decoders.FAMILIES))
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--scenes", type=int, default=1500)
    parser.add_argument("--output", type=pathlib.Path, default=decoders.weights_directory())
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.families) - set(decoders.FAMILIES))
    if unknown:
        parser.error(f"unknown families {unknown}; choose from {', '.join(decoders.FAMILIES)}")
    photographs = clean_photographs(_SEED, arguments.scenes, _SIDE)
    arguments.output.mkdir(parents=True, exist_ok=True)
    for family in arguments.families:
        start = time.monotonic()
        parameters = fit_family(family, photographs, arguments.steps, arguments.batch)
        save_parameters(arguments.output / f"{family}.npz", parameters)
        print(f"{family}: fitted in {time.monotonic() - start:.0f} s", flush=True)


def _rings(side: int) -> np.ndarray:
    """Averaging matrix from the rfft2 bins of a square image to azimuthal rings."""
    radius = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]) * side
    ring = np.minimum(np.rint(radius), side // 2).astype(int).ravel()
    matrix = np.zeros((side // 2 + 1, ring.size), np.float32)
    matrix[ring, np.arange(ring.size)] = 1
    return matrix / matrix.sum(axis=1, keepdims=True)


def _log_spectrum(images: jax.Array, rings: np.ndarray) -> jax.Array:
    """Log of the ring-averaged power per channel, mean over the batch, above a noise floor."""
    spectrum = jnp.fft.rfft2(images, axes=(1, 2))
    power = (spectrum.real**2 + spectrum.imag**2) / (images.shape[1] * images.shape[2])
    mean = jnp.mean(power, axis=0).reshape(-1, 3)
    return jnp.log(rings @ mean + _NOISE_FLOOR**2)


if __name__ == "__main__":
    run_script(main)
