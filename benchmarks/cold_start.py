"""What one picture costs from the shell, by engine: time, processor seconds, memory.

    python benchmarks/cold_start.py [PICTURE...] [--engine flax onnxruntime] [--rounds=3]
                                    [--json=FILE]

Each round starts `python main.py predict PICTURE` anew for each picture and engine, in turn; the
median round counts. Without a picture it makes two of noise on ramps, of 500x375 and of 6000x4000
pixels.
"""

import argparse
import pathlib
import statistics
import subprocess
import sys
import tempfile
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.command_cost import command_cost
from benchmarks.step import machine
from input_pipeline.storage.atomic_files import write_json

ROOT = pathlib.Path(__file__).resolve().parent.parent
SIZES = ((500, 375), (6000, 4000))


def pictures(folder: pathlib.Path) -> list[pathlib.Path]:
    """JPEGs of noise on a ramp."""
    paths = []
    for width, height in SIZES:
        rng = np.random.default_rng(width)
        ramp = np.linspace(40, 200, height)[:, None, None] + rng.normal(0, 8, (height, width, 3))
        paths.append(folder / f"{width}x{height}.jpg")
        Image.fromarray(np.clip(ramp, 0, 255).astype(np.uint8)).save(paths[-1], quality=90)
    return paths


def cost(picture: pathlib.Path, engine: str) -> dict[str, float]:
    """Of one process: seconds, processor seconds, and its largest resident memory in MB."""
    command = [sys.executable, "main.py", "predict", str(picture.absolute()), f"--engine={engine}"]
    found = command_cost(command, cwd=str(ROOT), stderr=subprocess.DEVNULL)
    return {
        "seconds": found.seconds,
        "processor_seconds": found.processor_seconds,
        "megabytes": found.megabytes,
    }


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as text, and what each is of the first engine's."""
    lines = [f"{'':16s} {'engine':12s} {'seconds':>14s} {'processor':>14s} {'MB':>14s}"]
    for row in rows:
        first = next(r for r in rows if r["picture"] == row["picture"])
        values = [
            f"{row[key]:8.2f} {row[key] / first[key]:5.2f}"
            for key in ("seconds", "processor_seconds", "megabytes")
        ]
        lines.append(f"{row['picture']:16s} {row['engine']:12s} {' '.join(values)}")
    return "\n".join(lines)


def main() -> None:
    """Measures, prints the table and writes it where asked."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("picture", nargs="*", type=pathlib.Path)
    parser.add_argument("--engine", nargs="+", default=["flax", "onnxruntime"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", default="", help="file for the results")
    flags = parser.parse_args()
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        given = flags.picture or pictures(pathlib.Path(folder))
        for _ in range(flags.rounds):
            for picture in given:
                for engine in flags.engine:
                    found.setdefault((picture.name, engine), []).append(cost(picture, engine))
    rows: list[dict[str, Any]] = [
        {"picture": picture, "engine": engine}
        | {key: statistics.median(c[key] for c in costs) for key in costs[0]}
        for (picture, engine), costs in found.items()
    ]
    print(table(rows))
    print("after each number what it is of the first engine's")
    if flags.json:
        write_json(flags.json, {"machine": machine(), "rounds": flags.rounds, "rows": rows})


if __name__ == "__main__":
    main()
