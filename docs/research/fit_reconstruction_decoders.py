"""Fits the networks of `npr_jax/models/reconstruction/decoders.py` to a folder of photographs.

    python -m docs.research.fit_reconstruction_decoders --photographs=DIR [--decoders vae4 fir]

Each network learns to give photographs back: mean absolute difference of pixels and of their
differences to neighbours, later also a discriminator of patches, which teaches the texture that the
first two average away. One photograph in ten is held back; the table's PSNR is of those.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import pathlib
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from docs.research.scripts import run_script
from input_pipeline.images.image_listing import ImageListing
from input_pipeline.images.problems import UnreadableImageError
from input_pipeline.images.transforms import decode
from input_pipeline.storage.csv_files import read_csv, write_csv
from npr_jax.models.reconstruction.decoders import DECODERS, find_decoder
from npr_jax.models.reconstruction.fitted import (
    QUICK_TO_COMPILE,
    load_decoder,
    save_weights,
    weights_directory,
)
from npr_jax.models.reconstruction.layers import Convolution
from npr_jax.models.reconstruction.upsampling import to_channels

_SIDE = 64  # pixels of a crop
_BATCH = 4
_RATE = 2e-3
_GRADIENT_WEIGHT = 1.0
_DIVERGENCE_WEIGHT = 1e-4
_ADVERSARIAL_WEIGHT = 0.01
_ADVERSARIAL_FROM = 0.75  # of the steps
_STEPS = 700
_MORE_STEPS = {"vae16": 2000, "vae4": 2000}  # three nearest x2 learn slowest
_TEST_SIDE = 256
_COLUMNS = ("decoder", "parameters", "steps", "seconds", "psnr")


class Discriminator(nnx.Module):
    """Tells patches of photographs from reconstructed ones; one logit per 4x4 pixels."""

    def __init__(self, *, rng: np.random.Generator):
        self.layers = nnx.List(
            [
                Convolution(12, 24, rng=rng),
                Convolution(96, 40, rng=rng),
            ]
        )
        self.out = Convolution(40, 1, 1, rng=rng)

    def __call__(self, x: jax.Array) -> jax.Array:
        """``[b, h, w, 3]`` to ``[b, h / 4, w / 4, 1]``."""
        first, second = self.layers
        x = nnx.leaky_relu(first(to_channels(x, 2)), 0.2)
        x = nnx.leaky_relu(second(to_channels(x, 2)), 0.2)
        return self.out(x)


def photographs_in(folder: str) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Photographs to fit to, and those held back; uint8 ``[h, w, 3]``, none below `_SIDE`."""
    fitted, held_back = [], []
    with ImageListing([folder]) as listing:
        for file in listing.files():
            try:
                pixels = decode(pathlib.Path(file.path).read_bytes())
            except UnreadableImageError:
                continue
            # By content, so that the same photographs are held back wherever the folder lies.
            digest = hashlib.sha256(pixels).digest()
            if min(pixels.shape[:2]) >= _SIDE:
                (held_back if digest[0] % 10 == 0 else fitted).append(pixels)
    return fitted, held_back


def draw_crops(photographs: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """A batch of crops, half of them mirrored; uint8 ``[_BATCH, _SIDE, _SIDE, 3]``."""
    crops = []
    for number in rng.integers(0, len(photographs), _BATCH):
        height, width, _ = photographs[number].shape
        top, left = rng.integers(0, height - _SIDE + 1), rng.integers(0, width - _SIDE + 1)
        crop = photographs[number][top : top + _SIDE, left : left + _SIDE]
        crops.append(crop[:, ::-1] if rng.uniform() < 0.5 else crop)
    return np.stack(crops)


def fidelity_loss(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """Mean absolute difference of pixels, and of the differences to the next in row and column."""
    error = outputs - targets
    along_rows = jnp.mean(jnp.abs(error[:, :, 1:] - error[:, :, :-1]))
    along_columns = jnp.mean(jnp.abs(error[:, 1:] - error[:, :-1]))
    return jnp.mean(jnp.abs(error)) + _GRADIENT_WEIGHT * (along_rows + along_columns) / 2


def make_step(graphdef, judge_def, optimizer, judge_optimizer, adversarial: bool):
    """One jitted step of both networks: states, crops and key to states and figures."""

    def loss_fn(params, judge, targets, key):
        outputs, divergence = nnx.merge(graphdef, params)(targets, key)
        fidelity = fidelity_loss(outputs, targets)
        loss = fidelity + _DIVERGENCE_WEIGHT * divergence
        if adversarial:
            loss -= _ADVERSARIAL_WEIGHT * jnp.mean(nnx.merge(judge_def, judge)(outputs))
        return loss, (outputs, fidelity)

    def judge_loss_fn(judge, outputs, targets):
        """Hinge loss (Lim and Ye, arXiv 1705.02894)."""
        network = nnx.merge(judge_def, judge)
        return jnp.mean(nnx.relu(1 - network(targets))) + jnp.mean(nnx.relu(1 + network(outputs)))

    @functools.partial(jax.jit, donate_argnums=0, compiler_options=QUICK_TO_COMPILE)
    def step(states, crops, key):
        """One step of the decoder, and one of the judge where there is one."""
        params, state, judge, judge_state = states
        targets = crops.astype("float32") / 127.5 - 1
        gradients, (outputs, fidelity) = jax.grad(loss_fn, has_aux=True)(
            params, judge, targets, key
        )
        updates, state = optimizer.update(gradients, state)
        params = optax.apply_updates(params, updates)
        judged = jnp.zeros(())
        if adversarial:
            judged, gradients = jax.value_and_grad(judge_loss_fn)(judge, outputs, targets)
            updates, judge_state = judge_optimizer.update(gradients, judge_state)
            judge = optax.apply_updates(judge, updates)
        return (params, state, judge, judge_state), jnp.stack([fidelity, judged])

    return step


def fit_decoder(name: str, photographs: list[np.ndarray], steps: int) -> nnx.Module:
    """Fits one decoder; the same seed, photographs and steps give the same weights."""
    spec = find_decoder(name)
    graphdef, params = nnx.split(spec.network())
    judge_def, judge = nnx.split(Discriminator(rng=np.random.default_rng(spec.seed + 1000)))
    schedule = optax.warmup_cosine_decay_schedule(0, _RATE, steps // 20, steps, 0.05 * _RATE)
    # All parameters as one vector: XLA takes half as long to compile it.
    optimizer = optax.flatten(
        optax.chain(optax.clip_by_global_norm(1.0), optax.adam(schedule, 0.9, 0.99))
    )
    judge_optimizer = optax.flatten(optax.adam(5e-4, 0.5, 0.99))
    states = (params, optimizer.init(params), judge, judge_optimizer.init(judge))
    rng, key = np.random.default_rng(spec.seed), jax.random.key(spec.seed)
    sums, parts = np.zeros(2), [int(_ADVERSARIAL_FROM * steps), steps]
    for adversarial, (begin, end) in enumerate(zip([0, parts[0]], parts, strict=True)):
        step = make_step(graphdef, judge_def, optimizer, judge_optimizer, bool(adversarial))
        for number in range(begin, end):
            crops = draw_crops(photographs, rng)
            states, figures = step(states, crops, jax.random.fold_in(key, number))
            sums += np.asarray(figures)
            if (number + 1) % 100 == 0:
                print(f"{name}: step {number + 1}, losses {sums / 100}", flush=True)
                sums[:] = 0
    return nnx.merge(graphdef, states[0])


def psnr_of(name: str, held_back: list[np.ndarray], directory: pathlib.Path) -> float:
    """Mean over photographs of the PSNR in decibels, on a crop of `_TEST_SIDE` at the centre."""
    decoder, values = load_decoder(name, directory), []
    for number, photograph in enumerate(held_back):
        height, width, _ = photograph.shape
        if min(height, width) < _TEST_SIDE:
            continue
        top, left = (height - _TEST_SIDE) // 2, (width - _TEST_SIDE) // 2
        part = photograph[None, top : top + _TEST_SIDE, left : left + _TEST_SIDE]
        error = np.asarray(decoder(part, jax.random.key(number)), np.float64) - part
        values.append(10 * np.log10(255**2 / np.mean(error**2)))
    return float(np.mean(values))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photographs", required=True, help="folder of photographs")
    parser.add_argument("--decoders", nargs="*", default=list(DECODERS))
    parser.add_argument("--steps", type=int, default=0, help="0: what the decoder needs")
    parser.add_argument("--output", type=pathlib.Path, default=weights_directory())
    parser.add_argument("--table", type=pathlib.Path, help="CSV file to write")
    arguments = parser.parse_args()
    fitted, held_back = photographs_in(arguments.photographs)
    print(f"{len(fitted)} photographs to fit to, {len(held_back)} held back", flush=True)
    rows = _rows(arguments.table)
    for name in arguments.decoders:
        start = time.monotonic()
        steps = arguments.steps or _MORE_STEPS.get(name, _STEPS)
        network = fit_decoder(name, fitted, steps)
        seconds = time.monotonic() - start
        save_weights(arguments.output / f"{name}.safetensors", network)
        psnr = psnr_of(name, held_back, arguments.output)
        size = sum(np.size(leaf) for leaf in jax.tree.leaves(nnx.state(network, nnx.Param)))
        rows[name] = (size, steps, round(seconds), f"{psnr:.1f}")
        print(f"{name}: {size} parameters, {psnr:.2f} dB, fitted in {seconds:.0f} s", flush=True)
        if arguments.table:
            ordered = [(name, *rows[name]) for name in DECODERS if name in rows]
            write_csv(arguments.table, _COLUMNS, ordered)


def _rows(table: pathlib.Path | None) -> dict[str, tuple]:
    """The rows of a table that another run has written, by decoder."""
    if table is None or not table.is_file():
        return {}
    _, rows = read_csv(table)
    return {row["decoder"]: tuple(row[name] for name in _COLUMNS[1:]) for row in rows}


if __name__ == "__main__":
    run_script(main)
