"""Images a second of ``predict --engine=ray`` beside plain ``predict``, both once running.

    python -m benchmarks.ray_speed --pictures=2000

Plain: from the 64th result to the last. Ray, on all cores of this machine: from the first block
that is noted as done to the last. In turn, ``--rounds`` times each; Ray is started once.
"""

import argparse
import os
import pathlib
import statistics
import tempfile
import threading
import time
from typing import Any

import numpy as np
from PIL import Image

SIZE = (500, 375)  # pixels
FIRST, BLOCK_ROWS, POLL = 64, 32, 0.02


def write_photographs(folder: pathlib.Path, count: int) -> list[str]:
    """JPEGs of enlarged noise; their names."""
    rng, paths = np.random.default_rng(0), []
    for number in range(count):
        small = Image.fromarray(rng.integers(0, 256, (75, 100, 3), np.uint8))
        paths.append(str(folder / f"{number:05d}.jpg"))
        small.resize(SIZE, Image.Resampling.BICUBIC).save(paths[-1], quality=90)
    return paths


def plain_rate(detector: Any, paths: list[str]) -> float:
    """Images a second in this process."""
    begun = 0.0
    for number, _ in enumerate(detector.iter_scores(paths)):
        if number == FIRST - 1:
            begun = time.monotonic()
    return (len(paths) - FIRST) / (time.monotonic() - begun)


def ray_rate(detector: Any, folder: pathlib.Path, output: pathlib.Path) -> float:
    """Images a second of all workers."""
    from npr_jax.cluster.predict import predict_on_ray

    noted: dict[pathlib.Path, float] = {}  # blocks that are done, and when
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(POLL):
            for path in output.glob("_job/checkpoint/*.parquet"):
                if ".pending." not in path.name:
                    noted.setdefault(path, time.monotonic())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        status = predict_on_ray(detector, [str(folder)], str(output), block_rows=BLOCK_ROWS)
    finally:
        ended.set()
        watcher.join()
    if status:
        raise SystemExit(f"--engine=ray ended with {status}")
    first, *rest = sorted(noted.values())
    return len(rest) * BLOCK_ROWS / (rest[-1] - first)


def main() -> None:
    """Prints each rate, and the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=2048, help=f"a multiple of {BLOCK_ROWS}")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    import npr_jax
    from npr_jax.cluster.session import import_ray, session

    detector = npr_jax.Detector.default().with_engine("auto")
    rates: dict[str, list[float]] = {"plain": [], "ray": []}
    with tempfile.TemporaryDirectory() as scratch, session(import_ray(), ""):
        folder = pathlib.Path(scratch, "pictures")
        folder.mkdir()
        paths = write_photographs(folder, options.pictures)
        for number in range(options.rounds):
            rates["plain"].append(plain_rate(detector, paths))
            rates["ray"].append(ray_rate(detector, folder, pathlib.Path(scratch, f"{number}")))
            print({name: round(own[-1], 1) for name, own in rates.items()}, flush=True)
    ratio = statistics.median(rates["ray"]) / statistics.median(rates["plain"])
    print(f"ray / plain: {ratio:.2f}; load {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
