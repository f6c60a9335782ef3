"""Images per second of a detector as Flax, StableHLO and ONNX, beside PyTorch's twin of NPR.

    python benchmarks/export.py --workdir=RUN [--quick] [--json=FILE]

The run is exported as StableHLO and as ONNX, and the ONNX file is quantised to 8 bits. Each runtime
works in a process of its own on all cores and is given uint8 pixels in host memory; its time ends
with probabilities in host memory. All are measured in turn, round after round; each keeps its best
round. The peer is PyTorch's NPR in float32, channels_last, with normalisation and residual
(benchmarks/torch_npr.py), at its best over one and all threads and over glibc's usual setting of
the memory and ours; whatever system the run has, the ratio is to this one.

* Flax: `npr_jax.Detector.logits`, what `predict --engine=flax` computes after it has read a file;
* predict: the same with the engine that it takes by itself;
* StableHLO: the exported program under jax.jit;
* ONNX Runtime and OpenVINO: the same ONNX file, in float32;
* 8 bits: the quantised file in both.

What 8 bits cost is measured on test images of the run, which the network was not trained on.
"""

import argparse
import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import quantized
from benchmarks.export_runtimes import RuntimeProcess
from benchmarks.step import machine
from benchmarks.torch_step import KEEP_FREED_MEMORY, TorchProcess, Work
from input_pipeline.storage.atomic_files import write_json
from npr_jax import Detector

PEER = "PyTorch"
TARGET = 1.5
CALIBRATION_IMAGES, TEST_IMAGES = 128, 600


def export(workdir: str, folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """The run in both formats, written by the command that users call."""
    files = {"stablehlo": folder / "detector.stablehlo", "onnx": folder / "detector.onnx"}
    for kind, path in files.items():
        command = ["main.py", "export", f"--workdir={workdir}", f"--format={kind}"]
        subprocess.run(
            [sys.executable, *command, f"--output={path}"], check=True, stdout=subprocess.DEVNULL
        )
    return files


def runtimes(
    workdir: str, files: dict[str, pathlib.Path], at_end: contextlib.ExitStack
) -> dict[str, Callable[[int, int], float]]:
    """By name: what scores a batch of a size and says how many seconds it took."""
    sources: dict[str, tuple[str, str | pathlib.Path]] = {
        "Flax": ("Flax", workdir),
        "predict, --engine=auto": ("predict", workdir),
        "StableHLO": ("StableHLO", files["stablehlo"]),
        "ONNX Runtime": ("ONNX Runtime", files["onnx"]),
        "OpenVINO": ("OpenVINO", files["onnx"]),
        "ONNX Runtime, 8 bits": ("ONNX Runtime", files["int8"]),
        "OpenVINO, 8 bits": ("OpenVINO", files["int8"]),
    }
    started: dict[str, Callable[[int, int], float]] = {}
    for name, (kind, source) in sources.items():
        process = at_end.enter_context(contextlib.closing(RuntimeProcess(kind, source)))
        started[name] = process.seconds
    cores = os.cpu_count() or 1
    torch = at_end.enter_context(contextlib.closing(TorchProcess()))
    for threads in sorted({1, cores}):
        started[f"{PEER}, {threads} threads"] = peer(torch, threads)
    tuned = at_end.enter_context(contextlib.closing(TorchProcess(KEEP_FREED_MEMORY)))
    started[f"{PEER}, memory kept"] = peer(tuned, cores)
    return started


def peer(process: TorchProcess, threads: int) -> Callable[[int, int], float]:
    """What has PyTorch score a batch of a size and says how many seconds it took."""

    def seconds(batch: int, side: int) -> float:
        return process.seconds(Work("predict", batch, side), threads=threads)

    return seconds


def compare(
    started: dict[str, Callable[[int, int], float]], batch: int, side: int, rounds: int
) -> list[dict[str, Any]]:
    """One row per runtime; ratios to the peer at its best."""
    best = dict.fromkeys(started, float("inf"))
    for number in range(rounds + 2):  # the first two warm up
        for name, seconds in started.items():
            taken = seconds(batch, side)
            if number >= 2:
                best[name] = min(best[name], taken)
    fastest_peer = min(seconds for name, seconds in best.items() if name.startswith(PEER))
    return [
        {
            "runtime": name,
            "batch": batch,
            "side": side,
            "images_per_second": round(batch / seconds, 2),
            "ratio": round(fastest_peer / seconds, 3),
        }
        for name, seconds in best.items()
    ]


def cost_of_quantisation(
    detector: Detector, workdir: str, files: dict[str, pathlib.Path], images: int
) -> dict[str, Any]:
    """Accuracy of the ONNX file and of its 8-bit form, on test images of the run."""
    config = detector.config
    if config is None:
        raise ValueError(f"{workdir} is no run")
    labels, pixels = quantized.labelled_images(
        config, pathlib.Path(workdir), config.data.test_split, images
    )
    found = {kind: quantized.accuracy(files[kind], labels, pixels) for kind in ("onnx", "int8")}
    change = np.abs(found["onnx"].pop("probability") - found["int8"].pop("probability"))
    sizes = {kind: os.path.getsize(files[kind]) for kind in ("onnx", "int8", "stablehlo")}
    return {
        "float32": found["onnx"],
        "int8": found["int8"],
        "mean_change": float(change.mean()),
        "largest_change": float(change.max()),
        "bytes": sizes,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as text; images per second."""
    lines = [f"{'':24s} {'batch':>5s} {'pixels':>6s} {'images/s':>9s} {'of PyTorch':>10s}"]
    lines += [
        f"{row['runtime']:24s} {row['batch']:>5d} {row['side']:>6d} "
        f"{row['images_per_second']:>9.1f} {row['ratio']:>10.2f}"
        for row in rows
    ]
    return "\n".join(lines)


def in_words(cost: dict[str, Any]) -> str:
    """What 8 bits cost, in two lines."""
    exact, coarse = cost["float32"], cost["int8"]
    return (
        f"8 bits on {exact['images']} test images: AUC {exact['auc']:.4f} -> {coarse['auc']:.4f}, "
        f"accuracy {exact['accuracy']:.4f} -> {coarse['accuracy']:.4f}; probabilities change by "
        f"{cost['mean_change']:.4f} on average, {cost['largest_change']:.4f} at most\n"
        f"bytes: ONNX {cost['bytes']['onnx']:,}, 8 bits {cost['bytes']['int8']:,}, "
        f"StableHLO {cost['bytes']['stablehlo']:,}"
    )


def main() -> None:
    """Measures, prints the table and writes it where asked."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--workdir", required=True, help="a trained run, as of make demo")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8, 32], help="images")
    parser.add_argument("--side", type=int, default=256, help="pixels")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--quick", action="store_true", help="batch 2, 64 pixels, 2 rounds")
    parser.add_argument("--json", default="", help="file for the results")
    flags = parser.parse_args()
    if flags.quick:
        flags.batch, flags.side, flags.rounds = [2], 64, 2
    detector = Detector.load(flags.workdir)
    if detector.config is None:
        parser.error(f"{flags.workdir} is no run")
    rows: list[dict[str, Any]] = []
    with contextlib.ExitStack() as at_end:
        folder = pathlib.Path(at_end.enter_context(tempfile.TemporaryDirectory()))
        files = export(flags.workdir, folder)
        files["int8"] = folder / "detector-int8.onnx"
        split = detector.config.data.validation_split or detector.config.data.train_split
        _, images = quantized.labelled_images(
            detector.config, pathlib.Path(flags.workdir), split, CALIBRATION_IMAGES
        )
        quantized.quantize(files["onnx"], files["int8"], images)
        cost = cost_of_quantisation(detector, flags.workdir, files, TEST_IMAGES)
        started = runtimes(flags.workdir, files, at_end)
        for batch in flags.batch:
            rows += compare(started, batch, flags.side, flags.rounds)
    print(table(rows))
    print(in_words(cost))
    print(f"best round; above 1: faster than PyTorch; goal: the fastest at least {TARGET}")
    if flags.json:
        results = {"machine": machine(), "quick": flags.quick, "rows": rows, "int8": cost}
        write_json(flags.json, results)


if __name__ == "__main__":
    main()
