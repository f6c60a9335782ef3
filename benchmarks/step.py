"""Images per second of one training step and of prediction: our detector beside PyTorch's twin.

    python benchmarks/step.py [--quick] [--json=FILE]

Both models have the same shape and start from uint8 pixels that are already on the device. On
the CPU both compute in float32; on a GPU ours computes in bfloat16 and the peer under autocast
to bfloat16 after torch.compile. The peer is channels_last and gets its best over one and all
threads. All variants are measured in turn, round after round; each keeps its best round.

* train: forward, backward and Adam, batch statistics included (our side is the step that
  training runs).
* predict: the forward pass in evaluation mode.
* score: `npr_jax.Detector.logits` from host memory to host memory, padding masks included,
  beside the same forward pass of the peer.
"""

import argparse
import dataclasses
import json
import os
import platform
import time
from collections.abc import Callable

import jax
import numpy as np
import torch
from flax import nnx

from benchmarks import torch_npr
from configs import default
from npr_jax import Detector
from npr_jax.models import build_model, predict
from npr_jax.train import make_train_step
from npr_jax.train_state import init_train_state


@dataclasses.dataclass
class Variant:
    """One thing to time: ``run`` processes ``images`` images and returns when they are done."""

    name: str
    images: int
    run: Callable[[], object]
    seconds: float = float("inf")

    @property
    def rate(self) -> float:
        """Images per second of the best round."""
        return self.images / self.seconds


def random_images(count: int, side: int) -> np.ndarray:
    """uint8 ``[count, side, side, 3]`` noise: the work does not depend on the content."""
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)


def recipe(dtype: str, batch: int, side: int):
    """The published recipe; without the mirror, which the peer does not do either."""
    config = default.get_config()
    config.model.dtype = dtype
    config.batch_size, config.data.crop, config.data.flip = batch, side, False
    return config


def our_train(dtype: str, batch: int, side: int) -> Variant:
    """The product's own training step, state donated."""
    config = recipe(dtype, batch, side)
    graphdef, optimizer, state = init_train_state(config, steps_per_epoch=1000)
    step = make_train_step(config, graphdef, optimizer)
    data = jax.device_put(
        {
            "image": random_images(batch, side),
            "label": np.arange(batch, dtype=np.int32) % 2,
            "mask": np.ones(batch, np.float32),
        }
    )
    states = [jax.device_put(state)]

    def run():
        new_state, metrics = step(states.pop(), data)
        states.append(new_state)
        jax.block_until_ready((new_state, metrics))

    return Variant("ours", batch, run)


def our_predict(dtype: str, batch: int, side: int) -> Variant:
    """The jitted forward pass in evaluation mode."""
    model = build_model(recipe(dtype, batch, side).model, nnx.Rngs(params=0))
    model.eval()
    graphdef, variables = nnx.split(model)
    forward = jax.jit(lambda v, x: predict(nnx.merge(graphdef, v), x).logits)
    images = jax.device_put(random_images(batch, side))
    return Variant("ours", batch, lambda: forward(variables, images).block_until_ready())


def our_score(dtype: str, batch: int, side: int) -> Variant:
    """The public API on pixels in host memory."""
    model = build_model(recipe(dtype, batch, side).model, nnx.Rngs(params=0))
    detector = Detector(model, resize=0, source="benchmark")
    images = random_images(batch, side)
    return Variant("ours", batch, lambda: detector.logits(images))


def peer_variants(work: str, batch: int, side: int) -> list[Variant]:
    """The PyTorch twin, one variant per number of threads worth trying."""
    cuda = torch.cuda.is_available() and jax.default_backend() == "gpu"
    device = torch.device("cuda" if cuda else "cpu")
    threads = [1] if cuda else sorted({1, os.cpu_count() or 1})
    make = _peer_train if work == "train" else _peer_predict
    variants = []
    for count in threads:
        call = make(device, batch, side)
        name = "PyTorch, compiled" if cuda else f"PyTorch, {count} threads"
        variants.append(Variant(name, batch, _with_threads(call, count, cuda)))
    return variants


def _with_threads(call: Callable[[], object], count: int, cuda: bool) -> Callable[[], object]:
    def run():
        torch.set_num_threads(count)
        call()
        if cuda:
            torch.cuda.synchronize()

    return run


def _peer_model(device: torch.device) -> torch.nn.Module:
    torch.manual_seed(0)
    model = torch_npr.TorchNPR().to(device, memory_format=torch.channels_last)
    return torch.compile(model) if device.type == "cuda" else model


def _pixels(device: torch.device, batch: int, side: int) -> torch.Tensor:
    # NHWC memory seen as NCHW is channels_last already.
    return torch.from_numpy(random_images(batch, side)).permute(0, 3, 1, 2).to(device)


def _autocast(device: torch.device):
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")


def _peer_train(device: torch.device, batch: int, side: int) -> Callable[[], object]:
    model, images = _peer_model(device).train(), _pixels(device, batch, side)
    labels = torch.arange(batch, device=device).float() % 2
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-4)

    def run():
        optimizer.zero_grad(set_to_none=True)
        with _autocast(device):
            logits = model(torch_npr.normalize(images))
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), labels)
        loss.backward()
        optimizer.step()

    return run


def _peer_predict(device: torch.device, batch: int, side: int) -> Callable[[], object]:
    model, images = _peer_model(device).eval(), _pixels(device, batch, side)

    def run():
        with torch.inference_mode(), _autocast(device):
            return model(torch_npr.normalize(images)).float().cpu()

    return run


def measure(variants: list[Variant], rounds: int, warm_up: int) -> None:
    """Best time per variant over the rounds, the variants in turn."""
    for variant in variants:
        for _ in range(warm_up):
            variant.run()
    for _ in range(rounds):
        for variant in variants:
            start = time.perf_counter()
            variant.run()
            variant.seconds = min(variant.seconds, time.perf_counter() - start)


def compare(work: str, batch: int, side: int, rounds: int, warm_up: int) -> dict[str, object]:
    """One row of the table: ours, the peer at its best, and the ratio."""
    gpu = jax.default_backend() == "gpu"
    dtype = "bfloat16" if gpu else "float32"
    ours = {"train": our_train, "predict": our_predict, "score": our_score}[work]
    mine = ours(dtype, batch, side)
    peers = peer_variants(work, batch, side)
    measure([mine, *peers], rounds, warm_up)
    best = max(peers, key=lambda variant: variant.rate)
    return {
        "work": work,
        "batch": batch,
        "side": side,
        "dtype": dtype,
        "ours_images_per_second": round(mine.rate, 2),
        "peer_images_per_second": round(best.rate, 2),
        "peer": best.name,
        "ratio": round(mine.rate / best.rate, 3),
    }


def table(rows: list[dict[str, object]]) -> str:
    """The rows as text; rates in images per second."""
    lines = [f"{'':8s} {'batch':>5s} {'pixels':>6s} {'ours':>9s} {'PyTorch':>9s} {'ratio':>6s}"]
    for row in rows:
        lines.append(
            f"{row['work']:8s} {row['batch']:>5d} {row['side']:>6d}"
            f" {row['ours_images_per_second']:>9.2f} {row['peer_images_per_second']:>9.2f}"
            f" {row['ratio']:>6.2f}  ({row['dtype']}; {row['peer']})"
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
        "torch": torch.__version__,
    }


def main() -> None:
    """Measures, prints the table and writes it where asked."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--work", nargs="+", default=["train", "predict", "score"])
    parser.add_argument("--batch", type=int, default=32, help="images per step")
    parser.add_argument("--train-side", type=int, default=224, help="pixels")
    parser.add_argument("--predict-side", type=int, default=256, help="pixels")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--quick", action="store_true", help="batch 8, 2 rounds: under 50 s")
    parser.add_argument("--json", default="", help="file for the results")
    flags = parser.parse_args()
    # Leave memory on a GPU for the peer; JAX would take most of it at its first use.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    batch, rounds, warm_up = (8, 2, 1) if flags.quick else (flags.batch, flags.rounds, 2)
    sides = {"train": flags.train_side}
    rows = []
    for work in flags.work:
        side = sides.get(work, flags.predict_side)
        rows.append(compare(work, batch, side, rounds, warm_up))
        print(table(rows[-1:]) if len(rows) == 1 else table(rows[-1:]).split("\n")[1], flush=True)
    print("images per second, best round; ratio above 1: ours is faster")
    if flags.json:
        with open(flags.json, "w", encoding="utf-8") as file:
            json.dump({"machine": machine(), "quick": flags.quick, "rows": rows}, file, indent=2)


if __name__ == "__main__":
    main()
