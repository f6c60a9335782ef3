"""One runtime of `benchmarks/export.py`: scores batches on request in a process of its own.

Started by that benchmark with the runtime's name and its file. Each line of standard input is a
JSON object with `batch` and `side`; the answer is one line, the seconds that one batch took, from
uint8 pixels in host memory to probabilities in host memory.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

from benchmarks.torch_step import random_images

Score = Callable[[np.ndarray], np.ndarray]


class RuntimeProcess:
    """A runtime in a process of its own, so that none finds another's threads and memory."""

    def __init__(self, name: str, source: pathlib.Path | str):
        """Args:
        name: one of ``RUNTIMES``.
        source: the run (Flax), or the exported file.
        """
        root = pathlib.Path(__file__).resolve().parent.parent
        path = os.pathsep.join(filter(None, (str(root), os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [sys.executable, __file__, name, str(source)],
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def seconds(self, batch: int, side: int) -> float:
        """How long one batch takes now."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the runtime's process has no pipes")
        stdin.write(json.dumps({"batch": batch, "side": side}) + "\n")
        stdin.flush()
        answer = stdout.readline()
        if not answer:
            raise RuntimeError("a runtime's process ended while it was measured")
        return float(answer)

    def close(self) -> None:
        """Ends the process."""
        self._process.communicate()


def flax(source: str) -> Score:
    """The public API: what ``predict`` computes after it has read a file."""
    from npr_jax import Detector
    from npr_jax.cli import host

    host.use_cores_as_devices()
    host.keep_freed_memory(host.LARGEST_KEPT_WHEN_SCORING)
    return Detector.load(source).logits


def predict(source: str) -> Score:
    """The same with the engine that ``predict`` takes by itself."""
    from npr_jax import Detector
    from npr_jax.cli import host

    host.keep_freed_memory(host.LARGEST_KEPT_WHEN_SCORING)
    return Detector.load(source).with_engine("auto").logits


def stablehlo(source: str) -> Score:
    """The exported program, called as a service would: compiled once for each size."""
    import jax

    from npr_jax.cli import host

    host.keep_freed_memory(host.LARGEST_KEPT_WHEN_SCORING)
    program = jax.export.deserialize(bytearray(pathlib.Path(source).read_bytes()))
    call = jax.jit(program.call)
    return lambda images: np.asarray(jax.tree.leaves(call(images))[0])


def onnxruntime(source: str) -> Score:
    """ONNX Runtime on the CPU with all cores and its usual settings."""
    import onnxruntime as ort

    session = ort.InferenceSession(source, providers=["CPUExecutionProvider"])
    return lambda images: session.run(["probability"], {"images": images})[0]


def openvino(source: str) -> Score:
    """OpenVINO on the CPU, told to finish batches one after the other, in float32."""
    import openvino as ov

    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    compiled = ov.Core().compile_model(source, "CPU", settings)
    return lambda images: compiled({"images": images})["probability"]


RUNTIMES: dict[str, Callable[[str], Score]] = {
    "Flax": flax,
    "predict": predict,
    "StableHLO": stablehlo,
    "ONNX Runtime": onnxruntime,
    "OpenVINO": openvino,
}


def main() -> None:
    """Answers requests until standard input ends."""
    score = RUNTIMES[sys.argv[1]](sys.argv[2])
    for line in sys.stdin:
        request = json.loads(line)
        images = random_images(request["batch"], request["side"])
        start = time.perf_counter()
        score(images)
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
