"""The peer of `benchmarks/step.py`: PyTorch's step, timed on request in a process of its own.

Started by that benchmark. Each line of standard input is a JSON object with `work` (train or
predict), `batch`, `side` and `threads`; the answer is one line, the seconds that one step took.
"""

from __future__ import annotations

import functools
import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

# What npr_jax.cli.host.keep_freed_memory sets, as glibc reads it from the environment.
KEEP_FREED_MEMORY = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**40),
    "MALLOC_ARENA_MAX": "1",
}


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

    def seconds(self, **request: str | int) -> float:
        """How long one step of a kind takes now."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("PyTorch's process has no pipes")
        stdin.write(json.dumps(request) + "\n")
        stdin.flush()
        answer = stdout.readline()
        if not answer:
            raise RuntimeError(f"PyTorch's process ended while it measured {request}")
        return float(answer)

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()


def random_images(count: int, side: int) -> np.ndarray:
    """uint8 ``[count, side, side, 3]`` noise: the work does not depend on the content."""
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), np.uint8)


def torch_step(work: str, batch: int, side: int, device: str) -> Callable[[], object]:
    """One training step or one forward pass of the twin, as a call."""
    import torch

    from benchmarks import torch_npr

    torch.manual_seed(0)
    model = torch_npr.TorchNPR().to(device, memory_format=torch.channels_last)
    model = model.train() if work == "train" else model.eval()
    forward = torch.compile(model) if device == "cuda" else model
    # NHWC memory seen as NCHW is channels_last already.
    images = torch.from_numpy(random_images(batch, side)).permute(0, 3, 1, 2).to(device)
    labels = torch.arange(batch, device=device).float() % 2
    autocast = functools.partial(torch.autocast, device, torch.bfloat16, enabled=device == "cuda")
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-4)

    def predict():
        with torch.inference_mode(), autocast():
            return forward(torch_npr.normalize(images)).float().cpu()

    def train():
        optimizer.zero_grad(set_to_none=True)
        with autocast():
            logits = forward(torch_npr.normalize(images))
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), labels)
        loss.backward()
        optimizer.step()
        if device == "cuda":
            torch.cuda.synchronize()

    return train if work == "train" else predict


def main() -> None:
    """Answers requests until standard input ends; keeps the last kind of step only."""
    import torch

    make = functools.lru_cache(maxsize=1)(torch_step)
    for line in sys.stdin:
        request = json.loads(line)
        device = request["device"]
        torch.set_num_threads(request["threads"])
        run = make(request["work"], request["batch"], request["side"], device)
        start = time.perf_counter()
        run()
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
