"""What the bundled detector costs: to score a picture, and to train as it was trained.

    python benchmarks/shipped_detector.py [--data=PREPARED,PAIRS] [--steps=24] [--json=FILE]

* score: `Detector.logits` of the bundled detector, of NPR in JAX and of NPR in PyTorch
  (channels_last, one thread, normalisation and residual included), from pixels in memory.
* train, with ``--data``: crops that ``configs/wild.py`` and ``native_crops.py:reencoded`` read and
  train on, the same files for both, without validation.

Everything runs in one process on the cores it may use. Scoring is told in processor time, which
other work on the machine changes far less than it changes the clock on the wall, training in both:
the second is what a user waits for, on cores that do nothing else. The variants take turns, and
each keeps its best round of each clock. All have the memory setting of the commands.
"""

import argparse
import pathlib
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import torch
from flax import nnx

from benchmarks.step import machine
from benchmarks.torch_npr import TorchNPR, normalize
from benchmarks.torch_step import random_images
from configs import default, native_crops, wild
from input_pipeline.storage.atomic_files import write_json
from npr_jax import Detector
from npr_jax.cli import host
from npr_jax.models.systems.registry import build_model
from npr_jax.training.inputs import TrainInput, open_dataset
from npr_jax.training.step import make_train_step
from npr_jax.training.train_state import init_train_state

SHIPPED, NPR, TORCH = "the bundled detector", "NPR, ours", "NPR, PyTorch"
WILD, REENCODED = "wild.py", "native_crops.py:reencoded"
LIKE_REENCODED = "wild.py with the network of the other"
ROUNDS = 4
_BATCH, _SIDE = 8, 256


def scoring() -> dict[str, Callable[[], object]]:
    """{what: scores ``_BATCH`` pictures of ``_SIDE`` pixels}."""
    images = random_images(_BATCH, _SIDE)
    shipped = Detector.default()
    npr = Detector(build_model(default.get_config().model, nnx.Rngs(0)), source="benchmark")
    torch.set_num_threads(1)
    peer = TorchNPR().eval().to(memory_format=torch.channels_last)
    pixels = torch.from_numpy(images.transpose(0, 3, 1, 2))

    def torch_scores():
        with torch.inference_mode():
            return peer(normalize(pixels).contiguous(memory_format=torch.channels_last)).numpy()

    return {
        SHIPPED: lambda: shipped.logits(images),
        NPR: lambda: npr.logits(images),
        TORCH: torch_scores,
    }


def training(data: str, workdir: pathlib.Path, steps: int) -> dict[str, Callable[[], object]]:
    """{recipe: reads and trains on ``steps`` batches}; both batches have as many crops."""
    configs = {WILD: wild.get_config(), LIKE_REENCODED: wild.get_config()}
    configs[REENCODED] = native_crops.get_config("reencoded")
    configs[LIKE_REENCODED].model = configs[REENCODED].model
    return {name: _training(config, data, workdir, steps) for name, config in configs.items()}


def _training(config, data: str, workdir: pathlib.Path, steps: int) -> Callable[[], object]:
    config.data.path = data
    if "," in data:
        config.data.weights = (1.0,) * len(data.split(","))
    config.batch_size = default.get_config().batch_size
    images = TrainInput(config, open_dataset(config, workdir))
    model, optimizer, state = init_train_state(config, images.steps_per_epoch)
    step = make_train_step(config, model, optimizer)
    batches = images.train_batches()
    states = [jax.device_put(state)]

    def run():
        for _ in range(steps):
            new_state, _ = step(states.pop(), next(batches))
            states.append(new_state)
        jax.block_until_ready(states[0].params)

    return run


class Seconds(NamedTuple):
    """The best rounds of a variant: processor time of all threads, and time on the wall."""

    processor: float
    wall: float


def best_seconds(
    variants: Mapping[str, Callable[[], object]], rounds: int = ROUNDS
) -> dict[str, Seconds]:
    """{what: its best of ``rounds`` rounds}, after one round that does not count."""
    best = {name: Seconds(float("inf"), float("inf")) for name in variants}
    for number in range(rounds + 1):
        for name, run in variants.items():
            processor, wall = time.process_time(), time.perf_counter()
            run()
            processor, wall = time.process_time() - processor, time.perf_counter() - wall
            if number:
                best[name] = Seconds(
                    min(best[name].processor, processor), min(best[name].wall, wall)
                )
    return best


def main() -> None:
    """Measures, prints and writes the figures where asked."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", default="", help="prepared data sets, separated by commas")
    parser.add_argument("--steps", type=int, default=24, help="of each recipe and round")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", type=pathlib.Path)
    flags = parser.parse_args()
    host.keep_freed_memory()
    per_picture = {
        name: seconds.processor / _BATCH for name, seconds in best_seconds(scoring()).items()
    }
    figures: dict = {"machine": machine(), "score_seconds_per_picture": per_picture}
    print(f"{Detector.default().title}, {_BATCH} pictures of {_SIDE} x {_SIDE} pixels")
    for name, seconds in per_picture.items():
        print(f"{name:32s} {1000 * seconds:7.1f} ms  {seconds / per_picture[TORCH]:.2f} of PyTorch")
    if flags.data:
        recipes = training(flags.data, pathlib.Path(), flags.steps)
        crops = flags.steps * default.get_config().batch_size
        best = best_seconds(recipes, flags.rounds)
        rates = {name: Seconds(*(crops / clock for clock in best[name])) for name in best}
        figures |= {"steps": flags.steps} | {
            f"crops_per_{clock}_second": {name: getattr(rates[name], clock) for name in rates}
            for clock in Seconds._fields
        }
        for name, rate in rates.items():
            ratios = [a / b for a, b in zip(rate, rates[REENCODED], strict=True)]
            print(
                f"{name:38s} {rate.wall:7.1f} crops a second ({ratios[1]:.2f} times), "
                f"{rate.processor:7.1f} a processor second ({ratios[0]:.2f} times)"
            )
    if flags.json:
        write_json(flags.json, figures)


if __name__ == "__main__":
    main()
