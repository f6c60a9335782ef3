"""Images per second from disk to uint8 batches: our pipeline beside PIL + torch's DataLoader.

    python benchmarks/pipeline.py [--quick] [--json=FILE]

Both read the same 256 x 256 images, in the same run, from a warm page cache: as PNG and JPEG files
(the peer), and as a data set of the same bytes and one of decoded records (ours, every checksum
verified). Every variant is measured in rounds in turn with the others, and its best round counts.
The peer gets its best over 0, 1 and 2 workers and over 1 and all threads; ours runs in threads of
one process, as training does by default, and for the image files (not with --quick) also in two
worker processes.
"""

import argparse
import json
import multiprocessing
import os
import platform
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from input_pipeline.builders import write_dataset
from input_pipeline.pipeline import train_iterator
from input_pipeline.prepared import PreparedDataset
from input_pipeline.records import ImageRecord

EDGE = 256
BATCH = 32
JPEG_QUALITY = 92
PREFETCH = 4


def photograph_like(index: int) -> np.ndarray:
    """Returns uint8 [256, 256, 3] that compresses as photographs of this size do.

    Overlapping discs whose sizes follow a power law, each with a texture of 1/f spectrum, then
    optical blur and sensor noise.
    """
    rng = np.random.default_rng(index)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(EDGE), np.fft.rfftfreq(EDGE), indexing="ij"))
    falloff = 1 / np.maximum(frequency, 1 / EDGE) ** 1.1
    noise = np.fft.rfft2(rng.standard_normal((3, EDGE, EDGE)))
    texture = np.fft.irfft2(noise * falloff, (EDGE, EDGE))
    texture = 14 * (texture / texture.std(axis=(1, 2), keepdims=True)).transpose(1, 2, 0)
    image = np.full((EDGE, EDGE, 3), rng.uniform(60, 190, 3))
    for _ in range(120):
        radius = int(5 / rng.uniform(0.05, 1) ** 0.8)
        top, left = rng.integers(0, EDGE - radius, 2)
        steps = np.arange(-radius, radius) ** 2
        window = image[top : top + 2 * radius, left : left + 2 * radius]
        disc = (steps[:, None] + steps < radius**2)[: window.shape[0], : window.shape[1]]
        window[disc] = rng.uniform(20, 235, 3)
    image += texture * rng.uniform(0.3, 1.2)
    blur = np.exp(-((2.6 * frequency) ** 2))
    spectrum = np.fft.rfft2(image.transpose(2, 0, 1)) * blur
    image = np.fft.irfft2(spectrum, (EDGE, EDGE)).transpose(1, 2, 0)
    return (image + rng.normal(0, 1.5, image.shape)).clip(0, 255).astype(np.uint8)


def make_files(folder: Path, count: int) -> dict[str, list[Path]]:
    """Writes the images as PNG and as JPEG files; returns {format: paths}."""
    files: dict[str, list[Path]] = {"PNG": [], "JPEG": []}
    for index in range(count):
        image = Image.fromarray(photograph_like(index))
        for kind, options in (("PNG", {}), ("JPEG", {"quality": JPEG_QUALITY})):
            path = folder / f"{index:05d}.{kind.lower()}"
            image.save(path, kind, **options)
            files[kind].append(path)
    return files


def make_data_sets(folder: Path, files: dict[str, list[Path]]) -> dict[str, PreparedDataset]:
    """Writes data sets of those files' bytes and of the decoded pixels of the PNG files."""

    def encoded(paths: list[Path]) -> Iterator[ImageRecord]:
        for index, path in enumerate(paths):
            data = path.read_bytes()
            yield ImageRecord(data, "encoded", EDGE, EDGE, index % 2, "benchmark", path.name)

    def decoded(paths: list[Path]) -> Iterator[ImageRecord]:
        for index, path in enumerate(paths):
            pixels = np.asarray(Image.open(path)).tobytes()
            yield ImageRecord(pixels, "decoded", EDGE, EDGE, index % 2, "benchmark", path.name)

    variants = {
        "PNG": encoded(files["PNG"]),
        "JPEG": encoded(files["JPEG"]),
        "decoded": decoded(files["PNG"]),
    }
    return {
        name: write_dataset(folder / name, "benchmark", {"train": records}, {})
        for name, records in variants.items()
    }


def rate(batches: Iterator[Any], seconds: float) -> float:
    """Returns images per second of an endless iterator, after two batches of warming up."""
    for _ in range(2):
        next(batches)
    images, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        next(batches)
        images += BATCH
    return images / elapsed


def ours(dataset: PreparedDataset, workers: int, seconds: float) -> float:
    """Measures our training iterator on a data set."""
    batches = train_iterator(
        dataset.source("train"),
        batch_size=BATCH,
        seed=0,
        resize=EDGE,
        workers=workers,
        prefetch=PREFETCH,
    )
    try:
        return rate(batches, seconds)
    finally:
        batches.close()


class FileDataset:
    """What a PyTorch user writes: open with PIL, to RGB, resize where needed, to a uint8 tensor."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Any:
        import torch  # a worker process imports this module before it needs torch

        image = Image.open(self.paths[index]).convert("RGB")
        if image.size != (EDGE, EDGE):
            image = image.resize((EDGE, EDGE), Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(image)), index % 2


def peer(paths: list[Path], workers: int, threads: int, seconds: float) -> float:
    """Measures torch's DataLoader on image files."""
    import torch
    from torch.utils.data import DataLoader, RandomSampler

    torch.set_num_threads(threads)
    dataset = FileDataset(paths)
    # One epoch without an end, so that workers never wait for the next to begin.
    sampler = RandomSampler(dataset, replacement=True, num_samples=10**7)
    loader = DataLoader(
        dataset,
        batch_size=BATCH,
        sampler=sampler,
        num_workers=workers,
        # Not forked from this process, which has run threads of its own by now.
        multiprocessing_context=_worker_context() if workers else None,
    )
    return rate(iter(loader), seconds)


@cache
def _worker_context() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch.utils.data", "__main__"])
    return context


def measure(folder: Path, quick: bool) -> dict[str, Any]:
    """Makes the images and measures every variant; returns the results as JSON values."""
    count, rounds, seconds = (128, 1, 1.5) if quick else (1024, 3, 3.0)
    files = make_files(folder, count)
    data_sets = make_data_sets(folder, files)
    cores = os.cpu_count() or 1
    variants: dict[str, Callable[[], float]] = {}
    for name, dataset in data_sets.items():
        for workers in (0,) if quick or name == "decoded" else (0, 2):
            variants[f"ours {name} {workers} workers"] = partial(ours, dataset, workers, seconds)
    for kind, paths in files.items():
        for workers, threads in dict.fromkeys([(0, 1), (0, cores), (1, 1), (2, 1)]):
            label = f"torch {kind} {workers} workers {threads} threads"
            variants[label] = partial(peer, paths, workers, threads, seconds)
    best = dict.fromkeys(variants, 0.0)
    for turn in range(rounds):
        for label, run in variants.items():
            print(f"\r\033[Kround {turn + 1} of {rounds}: {label}", end="", file=sys.stderr)
            best[label] = max(best[label], run())
    print("\r\033[K", end="", file=sys.stderr)
    sizes = {
        kind: sum(path.stat().st_size for path in paths) / count / 1000
        for kind, paths in files.items()
    }
    return {"images_per_second": best, "kilobytes_per_file": sizes, "images": count}


def machine() -> dict[str, Any]:
    """Returns what was measured on."""
    import torch

    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "pillow": Image.__version__,
        "torch": torch.__version__,
    }


def format_table(results: dict[str, Any]) -> str:
    """Lays the results out as a table with the ratios that count."""
    rates = results["images_per_second"]

    def best(reader: str, kind: str) -> tuple[str, float]:
        label = max((name for name in rates if name.startswith(f"{reader} {kind} ")), key=rates.get)
        return label, rates[label]

    rows = [best("torch", kind) for kind in ("PNG", "JPEG")]
    png, jpeg = (value for _, value in rows)
    rows += [best("ours", kind) for kind in ("PNG", "JPEG", "decoded")]
    lines = [f"{'reader, at its best':<40}{'images/s':>10}{'x torch PNG':>13}{'x torch JPEG':>14}"]
    lines += [
        f"{label:<40}{value:>10,.0f}{value / png:>13.2f}{value / jpeg:>14.2f}"
        for label, value in rows
    ]
    size = results["kilobytes_per_file"]
    lines.append(
        f"{results['images']} images of {EDGE} x {EDGE}, batches of {BATCH}; PNG "
        f"{size['PNG']:.0f} kB, JPEG {size['JPEG']:.0f} kB each; {results['machine']['cores']} x "
        f"{results['machine']['cpu']}"
    )
    return "\n".join(lines)


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer images and rounds, < 50 s")
    parser.add_argument("--json", metavar="FILE", help="write the results there too")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TFDS metadata is of no interest here
        results = measure(Path(folder), options.quick)
    results |= {"machine": machine(), "quick": options.quick}
    print(format_table(results))
    if options.json:
        partial = Path(f"{options.json}.partial")
        partial.write_text(json.dumps(results, indent=2) + "\n")
        os.replace(partial, options.json)


if __name__ == "__main__":
    main()
