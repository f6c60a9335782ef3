"""The peer of `benchmarks/step.py`: PyTorch's step, timed on request in a process of its own.

Started by that benchmark. Each line of standard input is a JSON object: `threads` and the fields of
`Work`. The answer is one line of JSON: the `seconds` that so many steps took one after the other,
the `processor_seconds` of all threads, and the `peak_bytes` of a GPU's memory until now.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

# What npr_jax.cli.host.keep_freed_memory sets, as glibc reads it from the environment.
KEEP_FREED_MEMORY = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**40),
    "MALLOC_ARENA_MAX": "1",
}

# How PyTorch runs the step: as written, or by torch.compile in one of its modes, of which the last
# two record CUDA graphs.
MODES = ("eager", "default", "reduce-overhead", "max-autotune")


@dataclasses.dataclass(frozen=True)
class Work:
    """What the twin does: train or predict ``batch`` images of ``side`` pixels."""

    work: str
    batch: int
    side: int
    device: str = "cpu"
    mode: str = "eager"
    dtype: str = "float32"


class TorchProcess:
    """PyTorch in a process of its own, with more environment variables where given."""

    def __init__(self, environment: dict[str, str] | None = None):
        root = pathlib.Path(__file__).resolve().parent.parent
        path = os.pathsep.join(filter(None, (str(root), os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env={**os.environ, "PYTHONPATH": path, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def answer(self, work: Work, *, threads: int, steps: int = 1) -> dict[str, float]:
        """What so many steps of a kind take now: see the top of this file."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("PyTorch's process has no pipes")
        request = {**dataclasses.asdict(work), "threads": threads, "steps": steps}
        stdin.write(json.dumps(request) + "\n")
        stdin.flush()
        answer = stdout.readline()
        if not answer:
            raise RuntimeError(f"PyTorch's process ended while it measured {request}")
        return json.loads(answer)

    def seconds(self, work: Work, *, threads: int, steps: int = 1) -> float:
        """The seconds of them alone."""
        return self.answer(work, threads=threads, steps=steps)["seconds"]

    def close(self) -> None:
        """Ends the process; of no effect a second time."""
        if self._process.returncode is None:
            self._process.communicate()


def random_images(count: int, side: int) -> np.ndarray:
    """uint8 ``[count, side, side, 3]`` noise: the work does not depend on the content."""
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)


def torch_steps(work: Work) -> Callable[[int], object]:
    """Training steps or forward passes of the twin, as many as it is called with."""
    import torch

    from benchmarks import torch_npr

    torch.manual_seed(0)
    on_gpu = work.device == "cuda"
    torch.backends.cudnn.benchmark = True
    # Normalisation is part of what is compiled.
    model = torch.nn.Sequential(torch_npr.Normalize(), torch_npr.TorchNPR())
    model = model.to(work.device, memory_format=torch.channels_last)
    model = model.train() if work.work == "train" else model.eval()
    # NHWC memory seen as NCHW is channels_last already.
    pixels = torch.from_numpy(random_images(work.batch, work.side))
    images = pixels.permute(0, 3, 1, 2).to(work.device)
    labels = torch.arange(work.batch, device=work.device).float() % 2
    half = work.dtype == "bfloat16"
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-4, fused=on_gpu)

    def forward(images):
        with torch.autocast(work.device, torch.bfloat16, enabled=half):
            return model(images).float()

    def loss_of(images, labels):
        return torch.nn.functional.binary_cross_entropy_with_logits(forward(images), labels)

    def compiled(function):
        return function if work.mode == "eager" else torch.compile(function, mode=work.mode)

    forward_once, loss_once = compiled(forward), compiled(loss_of)

    def predict(steps: int):
        with torch.inference_mode():
            # CUDA graphs write each result to the same place.
            logits = [_marked(forward_once)(images).clone() for _ in range(steps)]
            return torch.cat(logits).cpu()

    def train(steps: int):
        for _ in range(steps):
            optimizer.zero_grad(set_to_none=True)
            _marked(loss_once)(images, labels).backward()
            optimizer.step()
        if on_gpu:
            torch.cuda.synchronize()

    return train if work.work == "train" else predict


def _marked(function: Callable) -> Callable:
    """Tells CUDA graphs that a new step begins, whose results may overwrite the last one's."""
    import torch

    torch.compiler.cudagraph_mark_step_begin()
    return function


def _answer(run: Callable[[int], object], steps: int, device: str) -> dict[str, Any]:
    import torch

    start, used = time.perf_counter(), time.process_time()
    run(steps)
    return {
        "seconds": time.perf_counter() - start,
        "processor_seconds": time.process_time() - used,
        "peak_bytes": torch.cuda.max_memory_allocated() if device == "cuda" else None,
    }


def main() -> None:
    """Answers requests until standard input ends; keeps the last kind of step only."""
    import torch

    make = functools.lru_cache(maxsize=1)(torch_steps)
    for line in sys.stdin:
        request = json.loads(line)
        torch.set_num_threads(request.pop("threads"))
        steps, work = request.pop("steps"), Work(**request)
        print(json.dumps(_answer(make(work), steps, work.device)), flush=True)


if __name__ == "__main__":
    main()
