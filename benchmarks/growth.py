"""How cost grows with the work: processor time and memory, and their exponents.

    python benchmarks/growth.py [--quick] [--only=predict,...] [--json=FILE]

* predict: one picture from the shell, against its pixels;
* batch, branches: a training step of the multi-scale recipe, against images and residual branches;
* check, prepare, evaluate: a whole command, against the number of files;
* start: from the start of a process to the first training batch, against the number of records.

Every point is a process of its own; counted are the processor seconds of it and its children, which
depend little on what else the machine does, and the largest memory of one of them. The exponent is
the slope of the logarithms between a point and the one before: 1 is linear. What a process needs
before it does anything belongs to a point: exponents begin low and rise to their true value.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import os
import pathlib
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from benchmarks.command_cost import command_cost
from benchmarks.pipeline import describe_machine
from benchmarks.pipeline_data import photograph_like
from input_pipeline.storage.atomic_files import write_json

ROOT = pathlib.Path(__file__).resolve().parent.parent
SIDE = 96  # of training crops, in pixels
SMALL = 64  # of the many files
STEPS = 3  # of which the mean counts, after one that warms up


class Cost(NamedTuple):
    """Of a process: processor seconds with its children's, and the most memory of one of them."""

    seconds: float
    megabytes: float


class Curve(NamedTuple):
    """One question: what grows, its sizes and those of the quick form, and what is measured."""

    unit: str
    sizes: Sequence[float]
    quick: Sequence[float]
    measure: Callable[[pathlib.Path, float], Cost]


def run(*command: object) -> tuple[Cost, str]:
    """What a Python process costs, and what it prints; one that fails ends this one."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    found = command_cost(
        [sys.executable, *map(str, command)], cwd=str(ROOT), environment=environment
    )
    return Cost(found.processor_seconds, found.megabytes), found.output


def predict(folder: pathlib.Path, megapixels: float) -> Cost:
    """Of a JPEG with sides of 4 to 3."""
    path = folder / f"{megapixels}.jpg"
    save_picture(path, megapixels)
    return run("main.py", "predict", path, "--max_megapixels=120")[0]


def save_picture(path: pathlib.Path, megapixels: float) -> None:
    """A JPEG that repeats a small one."""
    height = round(math.sqrt(megapixels * 1e6 * 3 / 4))
    width = round(megapixels * 1e6 / height)
    tile = photograph_like(0)
    repeats = (-(-height // tile.shape[0]), -(-width // tile.shape[1]), 1)
    Image.fromarray(np.tile(tile, repeats)[:height, :width]).save(path, quality=90)


def training_step(batch: int, branches: int) -> Cost:
    """Of one step, compilation aside; the memory is that of the process."""
    return Cost(*json.loads(run(__file__, "step", batch, branches)[1]))


def step_in_this_process(batch: int, branches: int) -> Cost:
    """As ``training_step``, where nothing else has run."""
    import resource
    import time

    import jax

    from benchmarks.torch_step import random_images
    from configs import multiscale
    from npr_jax.cli import host
    from npr_jax.training.step import make_train_step
    from npr_jax.training.train_state import init_train_state

    host.keep_freed_memory()
    config = multiscale.get_config("mean")
    config.model.factors = (0.25, 0.5, 0.75, 0.125)[:branches]
    config.batch_size, config.data.crop, config.data.flip = batch, SIDE, False
    model, optimizer, state = init_train_state(config, steps_per_epoch=1000)
    step = jax.jit(make_train_step(config, model, optimizer), donate_argnums=0)
    data = {
        "image": random_images(batch, SIDE),
        "label": np.arange(batch, dtype=np.int32) % 2,
        "mask": np.ones(batch, np.float32),
    }
    for number in range(STEPS + 1):
        if number == 1:
            started = time.process_time()
        state, metrics = step(state, data)
        jax.block_until_ready((state, metrics))
    seconds = (time.process_time() - started) / STEPS
    return Cost(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def pictures(folder: pathlib.Path, files: float) -> pathlib.Path:
    """A tree of so many small PNG files, half of them photographs; made once."""
    tree = folder / f"files{files:.0f}"
    if tree.exists():
        return tree
    for label in ("0_real", "1_fake"):
        (tree / "gan" / label).mkdir(parents=True)
    rng, scenes = np.random.default_rng(0), [photograph_like(seed) for seed in range(16)]
    for index in range(int(files)):
        top, left = rng.integers(0, 256 - SMALL, 2)
        pixels = scenes[index % 16][top : top + SMALL, left : left + SMALL].copy()
        pixels[0, 0] = index >> 16, index >> 8 & 255, index & 255  # no two are the same
        path = tree / "gan" / ("0_real", "1_fake")[index % 2] / f"{index:06d}.png"
        Image.fromarray(pixels).save(path, compress_level=1)
    return tree


def check(folder: pathlib.Path, files: float) -> Cost:
    """Of ``prepare --check``."""
    tree = pictures(folder, files)
    return run("main.py", "prepare", f"--source={tree}", "--check", f"--output={tree}.json")[0]


def prepare(folder: pathlib.Path, files: float) -> Cost:
    """Of ``prepare``, all in one split; the data set stays for the questions after this one."""
    output = folder / f"prepared{files:.0f}"
    shutil.rmtree(output, ignore_errors=True)
    source = pictures(folder, files)
    return run("main.py", "prepare", f"--source={source}", f"--output={output}", "--split=train")[0]


def prepared(folder: pathlib.Path, files: float) -> pathlib.Path:
    """The data set that ``prepare`` makes."""
    path = folder / f"prepared{files:.0f}"
    if not path.exists():
        prepare(folder, files)
    return path


def evaluate(folder: pathlib.Path, files: float) -> Cost:
    """Of ``evaluate`` with the bundled detector."""
    data, output = prepared(folder, files), folder / "results"
    shutil.rmtree(output, ignore_errors=True)
    return run("main.py", "evaluate", f"--data={data}", "--split=train", f"--output={output}")[0]


def start(folder: pathlib.Path, files: float) -> Cost:
    """Of a process that reads one training batch."""
    return run("benchmarks/fresh_process.py", "first", prepared(folder, files), 0)[0]


MANY, FEW = (1000, 10_000, 100_000), (40, 80)
CURVES = {
    "predict": Curve("megapixels", (0.1, 1, 10, 30, 100), (0.01, 0.1), predict),
    "batch": Curve("images", (8, 16, 32, 64), (2, 8), lambda _, n: training_step(int(n), 1)),
    "branches": Curve("branches", (1, 2, 3, 4), (1, 2), lambda _, n: training_step(16, int(n))),
    "check": Curve("files", MANY, FEW, check),
    "prepare": Curve("files", MANY, FEW, prepare),
    "evaluate": Curve("files", MANY, FEW, evaluate),
    "start": Curve("records", MANY, FEW, start),
}


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """Slope of the logarithms between two points; 1: twice the work is twice the cost."""
    return math.log(costs[1] / costs[0]) / math.log(sizes[1] / sizes[0])


def measure(curve: Curve, folder: pathlib.Path, *, quick: bool) -> Iterator[dict[str, Any]]:
    """A row for each size; the first has no exponents."""
    before: tuple[float, Cost] | None = None
    for size in curve.quick if quick else curve.sizes:
        cost = curve.measure(folder, size)
        row = {"size": size, "unit": curve.unit, **cost._asdict()}
        if before:
            sizes = before[0], size
            row |= {
                f"{name}_exponent": round(exponent(sizes, (getattr(before[1], name), found)), 2)
                for name, found in cost._asdict().items()
            }
        yield row
        before = size, cost


def line(name: str, row: dict[str, Any]) -> str:
    """A row as text."""
    said = f"{name:<10}{row['size']:>10,g} {row['unit']:<11}{row['seconds']:>9.2f} s"
    said += f"{row['megabytes']:>8.0f} MB"
    if "seconds_exponent" in row:
        said += f"   exponents {row['seconds_exponent']:>5.2f} {row['megabytes_exponent']:>5.2f}"
    return said


def main() -> None:
    """Measures and prints."""
    if sys.argv[1:2] == ["step"]:
        print(json.dumps(step_in_this_process(int(sys.argv[2]), int(sys.argv[3]))))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="two small sizes of everything")
    parser.add_argument("--only", default=",".join(CURVES), help="curves, separated by commas")
    parser.add_argument("--json", metavar="FILE", help="write the results there too")
    flags = parser.parse_args()
    rows: dict[str, list[dict[str, Any]]] = {}
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name in flags.only.split(","):
            rows[name] = []
            for row in measure(CURVES[name], folder, quick=flags.quick):
                rows[name].append(row)
                print(line(name, row), flush=True)
    if flags.json:
        write_json(flags.json, {"rows": rows, "machine": describe_machine()})


if __name__ == "__main__":
    main()
