"""Whether a stopped run ends as one that was not, and whether two runs agree, bit by bit.

    python -m benchmarks.gpu.resume --json=FILE [--side=128]

Three processes train the published network on the same small data set: one for two epochs, one for
one epoch, and one that goes on from there for the second. Compared are the losses of every step and
all parameters and batch statistics at the end. Where they differ, all is done once more with XLA's
deterministic operations (`--xla_gpu_deterministic_ops=true`). Programs are compiled anew in each
process, as a user's are.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import jax
import numpy as np
from flax import nnx

from benchmarks.gpu import finding
from configs import default
from input_pipeline.storage.dataset_writer import write_dataset
from input_pipeline.storage.records import ImageRecord

DETERMINISTIC = "--xla_gpu_deterministic_ops=true"
IMAGES, BATCH = 192, 32


def write_images(path: pathlib.Path, side: int) -> None:
    """Photographs of noise, and the same up-sampled by two as generated images."""

    def records(count: int):
        for index in range(count):
            pixels = np.random.default_rng(index).integers(0, 256, (side, side, 3), np.uint8)
            if index % 2:
                pixels = pixels[::2, ::2].repeat(2, 0).repeat(2, 1)
            name = f"{index}.png"
            yield ImageRecord(pixels.tobytes(), "decoded", side, side, index % 2, "noise", name)

    write_dataset(path, "noise", {"train": records(IMAGES), "validation": records(8)}, {})


def train_run(data: str, workdir: str, epochs: int, side: int, dtype: str) -> None:
    """The product's training, in this process."""
    from npr_jax.training.train import train

    config = default.get_config()
    config.model.dtype = dtype
    config.batch_size, config.num_epochs, config.log_every_steps = BATCH, epochs, 1
    config.data.path, config.data.validation_split = data, "validation"
    config.data.resize, config.data.crop, config.data.validation_crop = 0, side, side
    config.data.host_crop = side
    train(config, workdir)


def losses(workdir: pathlib.Path) -> list[float]:
    """The loss of every training step."""
    points = map(json.loads, (workdir / "metrics.jsonl").read_text().splitlines())
    return [point["loss"] for point in points if point["split"] == "train"]


def arrays(workdir: pathlib.Path) -> list[np.ndarray]:
    """Parameters and batch statistics of the last checkpoint."""
    from npr_jax.detectors.trained import load_trained

    model = load_trained(workdir, "last").model
    return [np.asarray(leaf) for leaf in jax.tree.leaves(nnx.state(model))]


def differing(folder: pathlib.Path, side: int, dtype: str, flags: str) -> dict[str, int]:
    """How many losses of two runs, and arrays of a resumed one, differ in any bit."""
    whole, stopped = folder / "whole", folder / "stopped"
    environment = {**os.environ, "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()}
    for workdir, epochs in ((whole, 2), (stopped, 1), (stopped, 2)):
        command = [sys.executable, "-m", "benchmarks.gpu.resume", "--train", str(workdir)]
        command += [f"--epochs={epochs}", f"--side={side}", f"--dtype={dtype}"]
        subprocess.run([*command, f"--data={folder.parent / 'data'}"], env=environment, check=True)
    expected, found = losses(whole), losses(stopped)
    half = len(expected) // 2
    pairs = list(zip(arrays(whole), arrays(stopped), strict=True))
    return {
        "losses of two runs, first epoch": sum(
            a != b for a, b in zip(expected[:half], found[:half], strict=True)
        ),
        "losses of a resumed run, second epoch": sum(
            a != b for a, b in zip(expected[half:], found[half:], strict=True)
        ),
        "arrays of a resumed run at its end": sum(not np.array_equal(a, b) for a, b in pairs),
    }


def main() -> None:
    """Trains three times, twice where that differed, and writes after either."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", help="file for the results")
    parser.add_argument("--train", default="", help="only train one run, in this directory")
    parser.add_argument("--data", default="")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--side", type=int, default=128, help="pixels")
    parser.add_argument("--dtype", default="bfloat16", choices=("float32", "bfloat16"))
    flags = parser.parse_args()
    if flags.train:
        train_run(flags.data, flags.train, flags.epochs, flags.side, flags.dtype)
        return
    findings = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_images(folder / "data", flags.side)
        for how, options in (("", ""), (", deterministic operations", DETERMINISTIC)):
            (folder / f"runs{len(options)}").mkdir()
            counts = differing(folder / f"runs{len(options)}", flags.side, flags.dtype, options)
            findings += [
                finding.at_most(f"{what} that differ{how}", n, 0) for what, n in counts.items()
            ]
            finding.write(flags.json, findings)
            if not any(counts.values()):
                break


if __name__ == "__main__":
    main()
