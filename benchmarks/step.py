"""Images per second of one training step and of prediction: our detector beside PyTorch's twin.

    python benchmarks/step.py [--quick] [--json=FILE]

Both models have the same shape and start from uint8 pixels that are already on the device. On the
CPU both compute in float32; on a GPU ours computes in bfloat16 and the peer under autocast to
bfloat16 after torch.compile (`--peer-mode`: default; reduce-overhead and max-autotune record CUDA
graphs). With `--steps=N` so many steps are started one after the other before the clock stops, as
training does. The peer is channels_last and gets its best over one and all threads. It runs in a
process of its own, since memory and cores are set per process: ours as the commands of main.py set
them (npr_jax/cli/host.py), the peer's as PyTorch leaves them. On the CPU a second peer has our
setting of the memory too, with a ratio of its own. All variants are measured in turn, round after
round; each keeps its best round. With `--apart` the peer has all its rounds first and then ends:
where a GPU's memory holds one of the two only.

* train: forward, backward and Adam, batch statistics included (our side is the step that
  training runs).
* predict: the forward pass in evaluation mode, the batch split over the devices.
* score: `npr_jax.Detector.logits` from host memory to host memory, padding masks included,
  beside the same forward pass of the peer.
"""

import argparse
import contextlib
import dataclasses
import importlib.metadata
import os
import platform
import time
from collections.abc import Callable

import jax
import numpy as np
from flax import nnx

from benchmarks.torch_step import KEEP_FREED_MEMORY, MODES, TorchProcess, Work, random_images
from configs import default
from input_pipeline.storage.atomic_files import write_json
from npr_jax import Detector
from npr_jax.cli import host
from npr_jax.models import sharding
from npr_jax.models.base import predict
from npr_jax.models.systems.registry import build_model
from npr_jax.training.step import make_train_step
from npr_jax.training.train_state import init_train_state

OURS, PEER, TUNED_PEER = "ours", "PyTorch", "PyTorch, memory kept"


@dataclasses.dataclass
class Variant:
    """One thing to time: ``seconds_once`` does the work and says how long it took."""

    side: str
    name: str
    seconds_once: Callable[[], float]
    seconds: float = float("inf")


def timed(run: Callable[[int], object], steps: int) -> Callable[[], float]:
    """The seconds of a step, of so many in a row."""

    def seconds_once():
        start = time.perf_counter()
        run(steps)
        return (time.perf_counter() - start) / steps

    return seconds_once


def recipe(dtype: str, batch: int, side: int):
    """The published recipe; without the mirror, which the peer does not do either."""
    config = default.get_config()
    config.model.dtype = dtype
    config.batch_size, config.data.crop, config.data.flip = batch, side, False
    return config


def our_train(dtype: str, batch: int, side: int) -> Callable[[int], object]:
    """The product's own training steps on one device, state donated."""
    config = recipe(dtype, batch, side)
    model, optimizer, state = init_train_state(config, steps_per_epoch=1000)
    step = make_train_step(config, model, optimizer)
    data = jax.device_put(
        {
            "image": random_images(batch, side),
            "label": np.arange(batch, dtype=np.int32) % 2,
            "mask": np.ones(batch, np.float32),
        }
    )
    states = [jax.device_put(state)]

    def run(steps: int):
        for _ in range(steps):
            new_state, metrics = step(states.pop(), data)
            states.append(new_state)
        jax.block_until_ready((new_state, metrics))

    return run


def our_predict(dtype: str, batch: int, side: int) -> Callable[[int], object]:
    """The jitted forward passes in evaluation mode, over all devices."""
    mesh = sharding.data_mesh()
    model = build_model(recipe(dtype, batch, side).model, nnx.Rngs(params=0))
    model.eval()
    graphdef, variables = nnx.split(model)
    variables = jax.device_put(variables, sharding.replicated(mesh))
    images = jax.device_put(random_images(batch, side), sharding.split_rows(mesh))
    forward = jax.jit(lambda v, x: predict(nnx.merge(graphdef, v), x).logits)
    return lambda steps: jax.device_get([forward(variables, images) for _ in range(steps)])


def our_score(dtype: str, batch: int, side: int) -> Callable[[int], object]:
    """The public API on pixels in host memory."""
    model = build_model(recipe(dtype, batch, side).model, nnx.Rngs(params=0))
    detector = Detector(model, source="benchmark")
    images = random_images(batch, side)
    return lambda steps: [detector.logits(images) for _ in range(steps)]


def peer_variants(peers: dict[str, TorchProcess], work: Work, steps: int) -> list[Variant]:
    """The PyTorch twin, one variant per process and number of threads worth trying."""
    gpu = work.device == "cuda"
    how = "" if work.mode == "eager" else f", torch.compile {work.mode}"

    def variant(kind: str, process: TorchProcess, threads: int) -> Variant:
        name = f"{kind}{how}{'' if gpu else f', {threads} threads'}"
        return Variant(
            kind, name, lambda: process.seconds(work, threads=threads, steps=steps) / steps
        )

    cores = os.cpu_count() or 1
    threads = {PEER: [1] if gpu else sorted({1, cores}), TUNED_PEER: [cores]}
    return [variant(kind, process, n) for kind, process in peers.items() for n in threads[kind]]


@dataclasses.dataclass(frozen=True)
class Timing:
    """How often: rounds after some that warm up, of so many steps in a row."""

    rounds: int
    warm_up: int
    steps: int = 1
    apart: bool = False


def measure(variants: list[Variant], timing: Timing) -> None:
    """Best time per variant over the rounds, the variants in turn."""
    for variant in variants:
        for _ in range(timing.warm_up):
            variant.seconds_once()
    for _ in range(timing.rounds):
        for variant in variants:
            variant.seconds = min(variant.seconds, variant.seconds_once())


def compare(
    peers: dict[str, TorchProcess], name: str, work: Work, timing: Timing
) -> dict[str, object]:
    """One row of the table: ours, the peer at its best, and the ratios.

    ``name`` says which of ours, the peer does ``work``.
    """
    make = {"train": our_train, "predict": our_predict, "score": our_score}[name]
    batch = work.batch

    def ours() -> Variant:
        return Variant(OURS, OURS, timed(make(work.dtype, batch, work.side), timing.steps))

    variants = peer_variants(peers, work, timing.steps)
    if timing.apart:
        measure(variants, timing)
        memory = peer_memory(peers[PEER], work)
        for process in peers.values():
            process.close()
        variants.append(ours())
        measure(variants[-1:], timing)
    else:
        variants.append(ours())
        measure(variants, timing)
        memory = peer_memory(peers[PEER], work)
    best: dict[str, Variant] = {}
    for variant in sorted(variants, key=lambda v: v.seconds, reverse=True):
        best[variant.side] = variant
    row: dict[str, object] = {"work": name, "batch": batch, "side": work.side, "dtype": work.dtype}
    row["ours_images_per_second"] = round(batch / best[OURS].seconds, 4)
    for kind, suffix in ((PEER, ""), (TUNED_PEER, "_with_memory_kept")):
        if kind in best:
            row[f"peer_images_per_second{suffix}"] = round(batch / best[kind].seconds, 4)
            row[f"ratio{suffix}"] = round(best[kind].seconds / best[OURS].seconds, 3)
    return row | {"peer": best[PEER].name, "ours_megabytes": our_memory(), "peer_megabytes": memory}


def our_memory() -> float | None:
    """The most memory of a GPU, in MB, that this process held until now; None on the CPU."""
    peak = (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    return None if peak is None else peak / 1e6


def peer_memory(peer: TorchProcess, work: Work) -> float | None:
    """The same of PyTorch's process."""
    peak = peer.answer(work, threads=1)["peak_bytes"] if work.device == "cuda" else None
    return None if peak is None else peak / 1e6


def table(rows: list[dict[str, object]]) -> str:
    """The rows as text; rates in images per second."""
    lines = [
        f"{'':8s} {'batch':>5s} {'pixels':>6s} {'ours':>9s} {'PyTorch':>9s} {'ratio':>6s}"
        f" {'PyTorch, memory kept':>21s} {'ratio':>6s}"
    ]
    for row in rows:
        tuned = row.get("peer_images_per_second_with_memory_kept", float("nan"))
        ratio = row.get("ratio_with_memory_kept", float("nan"))
        lines.append(
            f"{row['work']:8s} {row['batch']:>5d} {row['side']:>6d}"
            f" {row['ours_images_per_second']:>9.2f} {row['peer_images_per_second']:>9.2f}"
            f" {row['ratio']:>6.2f} {tuned:>21.2f} {ratio:>6.2f}  ({row['dtype']}; {row['peer']})"
        )
    return "\n".join(lines)


def machine() -> dict[str, object]:
    """Where the numbers come from."""
    device = jax.devices()[0]
    return {
        "device": device.device_kind,
        "platform": device.platform,
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "jax": jax.__version__,
        "torch": importlib.metadata.version("torch"),
    }


def main() -> None:
    """Measures, prints the table and writes it where asked."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--work", nargs="+", default=["train", "predict", "score"])
    parser.add_argument("--batch", type=int, default=32, help="images per step")
    parser.add_argument("--train-side", type=int, default=224, help="pixels")
    parser.add_argument("--predict-side", type=int, default=256, help="pixels")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--steps", type=int, default=1, help="steps in a row that are timed")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), help="default: see above")
    parser.add_argument("--peer-mode", choices=MODES, help="default: see above")
    parser.add_argument("--apart", action="store_true", help="one --work only; see above")
    parser.add_argument("--quick", action="store_true", help="batch 8, 2 rounds: under 50 s")
    parser.add_argument("--json", default="", help="file for the results")
    flags = parser.parse_args()
    # Leave memory on a GPU for the peer; JAX would take most of it at its first use.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    # As the commands of main.py do.
    host.use_cores_as_devices()
    host.keep_freed_memory()
    if flags.apart and len(flags.work) > 1:
        parser.error("--apart ends PyTorch's process; give one --work")
    batch, rounds, warm_up = (8, 2, 1) if flags.quick else (flags.batch, flags.rounds, 2)
    timing = Timing(rounds, warm_up, flags.steps, flags.apart)
    on_gpu = jax.default_backend() == "gpu"
    how = {
        "device": "cuda" if on_gpu else "cpu",
        "mode": flags.peer_mode or ("default" if on_gpu else "eager"),
        "dtype": flags.dtype or ("bfloat16" if on_gpu else "float32"),
    }
    rows = []
    with contextlib.ExitStack() as at_end:
        peers = {PEER: at_end.enter_context(contextlib.closing(TorchProcess()))}
        if not on_gpu:
            tuned = contextlib.closing(TorchProcess(KEEP_FREED_MEMORY))
            peers[TUNED_PEER] = at_end.enter_context(tuned)
        for name in flags.work:
            train = name == "train"
            side = flags.train_side if train else flags.predict_side
            work = Work("train" if train else "predict", batch, side, **how)
            rows.append(compare(peers, name, work, timing))
            lines = table(rows[-1:]).split("\n")
            print("\n".join(lines if len(rows) == 1 else lines[1:]), flush=True)
    print("images per second, best round; ratio above 1: ours is faster")
    if flags.json:
        write_json(flags.json, {"machine": machine(), "quick": flags.quick, "rows": rows})


if __name__ == "__main__":
    main()
