"""FLOP/s of a training step with three residual branches beside one with a single branch.

    python benchmarks/branches.py [--quick] [--json=FILE]

All are the product's own training step (forward, backward, Adam, batch statistics) on the same
images, at the same batch:

* one: one residual, one branch;
* loop: three residuals, a network each, one after the other;
* batched: the same networks as one computation (`model.batch_branches`);
* shared: three residuals through one network, as one batch (`model.share_branches`).

FLOPs are XLA's count of the compiled step. It counts the body of a loop once, and the kernel
gradients of 3x3 convolutions are loops over images on the CPU, so the count is somewhat low there;
in the same proportion for one, loop and batched. The body is as large for `shared` as for `one`, so
`shared` is given the FLOPs of `loop`, which computes the same products. All are measured in turn,
round after round; each keeps its best round. `processor s` is the same by the processor time of
all threads, which on the CPU depends less on what else the machine does (on a GPU it says nothing).
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from benchmarks.step import machine
from benchmarks.torch_step import random_images
from configs import multiscale
from input_pipeline.storage.atomic_files import write_json
from npr_jax.cli import host
from npr_jax.training.step import make_train_step
from npr_jax.training.train_state import init_train_state

FACTORS = (0.25, 0.5, 0.75)
# Name: residuals, and settings of the model section.
VARIANTS: dict[str, tuple[int, dict[str, bool]]] = {
    "one": (1, {}),
    "loop": (3, {}),
    "batched": (3, {"batch_branches": True}),
    "shared": (3, {"share_branches": True}),
}
TARGET = 0.95


def recipe(name: str, backbone: str, batch: int, side: int):
    """The multi-scale recipe with the mean of the branches, whose head costs next to nothing."""
    count, changes = VARIANTS[name]
    config = multiscale.get_config("mean")
    config.model.factors = FACTORS[:count]
    config.model.backbone = backbone
    config.model.update(changes)
    config.model.dtype = "bfloat16" if jax.default_backend() == "gpu" else "float32"
    config.batch_size, config.data.crop, config.data.flip = batch, side, False
    return config


def training_step(
    name: str, backbone: str, batch: int, side: int
) -> tuple[float, Callable[[], float]]:
    """XLA's FLOPs of a compiled step, and what does one and says how many seconds it took."""
    config = recipe(name, backbone, batch, side)
    model, optimizer, state = init_train_state(config, steps_per_epoch=1000)
    data = jax.device_put(
        {
            "image": random_images(batch, side),
            "label": np.arange(batch, dtype=np.int32) % 2,
            "mask": np.ones(batch, np.float32),
        }
    )
    state = jax.device_put(state)
    jitted = jax.jit(make_train_step(config, model, optimizer), donate_argnums=0)
    step = jitted.lower(state, data).compile()
    states = [state]

    def seconds_once() -> float:
        start = time.perf_counter()
        new_state, metrics = step(states.pop(), data)
        jax.block_until_ready((new_state, metrics))
        states.append(new_state)
        return time.perf_counter() - start

    return (step.cost_analysis() or {})["flops"], seconds_once


def compare(
    backbone: str, batch: int, side: int, rounds: int, names: list[str]
) -> list[dict[str, Any]]:
    """One row of the table per variant."""
    flops, steps = {}, {}
    for name in names:
        flops[name], steps[name] = training_step(name, backbone, batch, side)
    if "shared" in names:
        flops["shared"] = flops["loop"]
    best = dict.fromkeys(names, float("inf"))
    processor = dict(best)
    for number in range(rounds + 1):  # the first warms up
        for name, seconds_once in steps.items():
            used = time.process_time()
            seconds, used = seconds_once(), time.process_time() - used
            if number:
                best[name], processor[name] = min(best[name], seconds), min(processor[name], used)
    one = flops["one"] / best["one"]
    one_of_processor = flops["one"] / processor["one"]
    return [
        {
            "backbone": backbone,
            "batch": batch,
            "side": side,
            "variant": name,
            "flops": flops[name],
            "seconds": round(best[name], 6),
            "flops_per_second": flops[name] / best[name],
            "ratio": round(flops[name] / best[name] / one, 3),
            "processor_seconds": round(processor[name], 6),
            "processor_ratio": round(flops[name] / processor[name] / one_of_processor, 3),
        }
        for name in names
    ]


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as text."""
    lines = [
        f"{'backbone':12s} {'batch':>5s} {'pixels':>6s} {'branches':8s} {'GFLOP':>8s} "
        f"{'seconds':>8s} {'GFLOP/s':>8s} {'of one':>6s} {'processor s':>11s} {'of one':>6s}"
    ]
    for row in rows:
        lines.append(
            f"{row['backbone']:12s} {row['batch']:>5d} {row['side']:>6d} {row['variant']:8s} "
            f"{row['flops'] / 1e9:>8.1f} {row['seconds']:>8.3f} "
            f"{row['flops_per_second'] / 1e9:>8.1f} {row['ratio']:>6.2f} "
            f"{row['processor_seconds']:>11.3f} {row['processor_ratio']:>6.2f}"
        )
    return "\n".join(lines)


def main() -> None:
    """Measures, prints the table and writes it where asked."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--backbone", nargs="+", default=["light_resnet", "cut_resnet50"])
    parser.add_argument("--batch", type=int, default=32, help="images per step")
    parser.add_argument("--side", type=int, default=224, help="pixels")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--branches", nargs="+", choices=list(VARIANTS)[1:], default=list(VARIANTS)[1:]
    )
    parser.add_argument(
        "--quick", action="store_true", help="light_resnet, batch 8, 96 pixels, 4 rounds"
    )
    parser.add_argument("--json", default="", help="file for the results")
    flags = parser.parse_args()
    # As main.py train does.
    host.keep_freed_memory()
    if flags.quick:
        flags.backbone, flags.batch, flags.side, flags.rounds = ["light_resnet"], 8, 96, 4
    # What `shared` is given the FLOPs of has to be there.
    names = [n for n in VARIANTS if n in ("one", "loop") or n in flags.branches]
    rows: list[dict[str, Any]] = []
    for backbone in flags.backbone:
        rows += compare(backbone, flags.batch, flags.side, flags.rounds, names)
    print(table(rows))
    print(f"of one: FLOP/s by those of one branch, best round; target at least {TARGET}")
    if flags.json:
        write_json(flags.json, {"machine": machine(), "quick": flags.quick, "rows": rows})


if __name__ == "__main__":
    main()
