"""Images per second from disk to uint8 batches: our pipeline beside PIL + torch's DataLoader.

    python benchmarks/pipeline.py [--quick] [--json=FILE]

All read the same 256 x 256 images, in the same run, from a warm page cache: as PNG and JPEG files
(the peer), and as a data set of the same bytes and one of decoded records (ours, every checksum
verified). Every variant is measured in rounds in turn with the others, and its best round counts.

decode   Pillow, the faster library, and our `decode` around both, from files in memory to the same
         memory again and again, in one thread and in as many as there are cores: the ceiling of any
         pipeline with that decoder.
ours     the training iterator with 0 (threads), 1, 2 and 4 worker processes, alone and with a
         consumer that copies every batch to the device; and in threads, after an epoch, with and
         without memory for decoded images (`data.cache`), as stored, re-encoded and augmented.
torch    the peer, at its best over 0, 1 and 2 workers and over 1 and all threads.

New processes then tell the time to the first batch of 100,000 records (tiny ones), the peak of
memory on the JPEG data set and on one ten times as large, and the rates on 1, 2, 4 ... cores.
"""

import argparse
import os
import platform
import re
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks import fresh_process, pipeline_data, rates
from benchmarks.pipeline_data import EDGE, KINDS, TIMES_LARGER, TINY_RECORDS, data_set
from benchmarks.processor import processor_name
from benchmarks.torch_reader import torch_batches
from input_pipeline.images.augmentations import GaussianBlur, JpegCompression
from input_pipeline.loading.parallel import available_cores
from input_pipeline.storage.atomic_files import write_json

SHAPE = (EDGE, EDGE, 3)
# What is read with and without memory for decoded images: as stored, as crops that were saved again
# (configs/native_crops.py:reencoded), and blurred and saved again (CNNDetection's recipe).
CHANGED: dict[str, dict[str, Any]] = {
    "decoded": {"resize": EDGE},
    "JPEG": {"resize": EDGE},
    "JPEG re-encoded": {"resize": 0, "host_crop": 96, "reencode": (60, 95)},
    "JPEG augmented": {
        "resize": EDGE,
        "host_crop": 224,
        "augment": (GaussianBlur(0.5), JpegCompression(0.5)),
    },
}
CACHE_BYTES = 10**9
LIBRARY = {"PNG": "libspng", "JPEG": "simplejpeg"}


def variants(folder: Path, quick: bool) -> dict[str, Callable[[], float]]:
    """Returns {name: function that measures its images per second once}."""
    cores, seconds = available_cores(), 0.9 if quick else 1.5
    runs: dict[str, Callable[[], float]] = {}
    for kind in KINDS:
        paths = pipeline_data.image_files(folder, kind)
        contents = [path.read_bytes() for path in paths]
        for name, decode in rates.decoders(kind).items():
            for threads in dict.fromkeys([1, cores]):
                label = f"decode {kind} {name} {threads} threads"
                runs[label] = partial(rates.decode_rate, decode, contents, SHAPE, threads, seconds)
        for workers, threads in dict.fromkeys([(0, 1), (0, cores), (1, 1), (2, 1)]):
            label = f"torch {kind} {workers} workers {threads} threads"
            runs[label] = partial(_torch_rate, paths, workers, threads, seconds)
    for name in (*KINDS, "decoded"):
        path = data_set(folder, name)
        for workers in (0,) if quick else (0, 1, 2, 4):
            label = f"ours {name} {workers} workers"
            runs[label] = partial(rates.our_rate, path, workers, seconds, resize=EDGE)
        for workers in (0,) if quick else (0, 2):
            label = f"ours {name} {workers} workers to the device"
            runs[label] = partial(rates.our_rate, path, workers, seconds, device=True, resize=EDGE)
    epoch = len(pipeline_data.image_files(folder, "JPEG"))
    for name, settings in CHANGED.items():
        path = data_set(folder, name.split()[0])
        read = partial(rates.our_rate, path, 0, seconds, warm_up_images=epoch)
        runs[f"ours {name}, read"] = partial(read, **settings)
        runs[f"ours {name}, kept"] = partial(read, cache_bytes=CACHE_BYTES, **settings)
    return runs


def _torch_rate(paths: list[Path], workers: int, threads: int, seconds: float) -> float:
    batches = torch_batches(paths, EDGE, rates.BATCH, workers, threads)
    return rates.batch_rate(batches, seconds, warm_up=2 + 2 * workers)


def best_of_rounds(runs: dict[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Measures every variant once a round, in turn; returns the best of each."""
    best = dict.fromkeys(runs, 0.0)
    for turn in range(rounds):
        for label, run in runs.items():
            _progress(f"round {turn + 1} of {rounds}: {label}")
            best[label] = max(best[label], run())
    return best


def measure_processes(folder: Path, images: int, quick: bool) -> dict[str, Any]:
    """Measures what needs new processes; returns the results as JSON values."""
    tiny, rounds = data_set(folder, "tiny"), 1 if quick else 3
    _progress("first batch")
    first = {
        f"{workers} workers": _least(
            [fresh_process.first_batch(tiny, workers) for _ in range(rounds)]
        )
        for workers in ((0,) if quick else (0, 2))
    }
    _progress("memory")
    batches = images * TIMES_LARGER // rates.BATCH
    memory = {
        f"{times * images} JPEG records": fresh_process.peak_memory(data_set(folder, name), batches)
        for times, name in ((1, "JPEG"), (TIMES_LARGER, "larger"))
    }
    results: dict[str, Any] = {"first_batch_seconds": first, "peak_memory_megabytes": memory}
    if fresh_process.can_limit_cores():
        counts = [2**power for power in range(available_cores().bit_length())]
        scaling: dict[str, dict[str, float]] = {}
        for cores in dict.fromkeys([*counts, available_cores()]):
            _progress(f"{cores} cores")
            turns = [
                fresh_process.rates_on_cores(folder, cores, 0.7 if quick else 1.5)
                for _ in range(rounds)
            ]
            scaling[str(cores)] = {name: max(turn[name] for turn in turns) for name in turns[0]}
        results["images_per_second_on_cores"] = scaling
    return results


def _least(times: list[dict[str, float]]) -> dict[str, float]:
    return {name: min(turn[name] for turn in times) for name in times[0]}


def targets(results: dict[str, Any]) -> list[tuple[str, float, str, bool]]:
    """Returns (what, value, target, met) for what the project promises of two cores."""
    found, rows = results["images_per_second"], []

    def best(start: str) -> float:
        return max(rate for name, rate in found.items() if name.startswith(start))

    for kind in KINDS:
        ours = max(found[name] for name in found if re.match(f"ours {kind} \\d", name))
        for name, ceiling in (("the library", LIBRARY[kind]), ("our decode", "ours")):
            ratio = ours / best(f"decode {kind} {ceiling} ")
            rows.append((f"{kind} over {name} alone", ratio, "0.90", ratio >= 0.9))
        ratio = ours / best(f"torch {kind} ")
        rows.append((f"{kind} over torch", ratio, "1.5", ratio >= 1.5))
    decoded = max(found[name] for name in found if re.match(r"ours decoded \d", name))
    rows.append(("decoded, images/s", decoded, "15,000", decoded >= 15_000))
    for name in CHANGED:
        ratio = found[f"ours {name}, kept"] / found[f"ours {name}, read"]
        rows.append((f"{name}, kept over read", ratio, "1.5", ratio >= 1.5))
    for name, seconds in results["first_batch_seconds"]["0 workers"].items():
        what = f"first batch {name.replace('_', ' ')}, s"
        rows.append((what, seconds, "2", seconds <= 2))
    small, large = results["peak_memory_megabytes"].values()
    rows.append(
        (f"peak memory, data x {TIMES_LARGER}", large / small, "1.05", large < small * 1.05)
    )
    return rows


def format_report(results: dict[str, Any]) -> str:
    """Lays out all rates, and the ratios that count beside their targets."""
    lines = [f"{'images per second, best round':<44}{'':>10}"]
    lines += [f"{name:<44}{rate:>10,.0f}" for name, rate in results["images_per_second"].items()]
    for cores, scaling in results.get("images_per_second_on_cores", {}).items():
        values = ", ".join(f"{name} {rate:,.0f}" for name, rate in scaling.items())
        lines.append(f"ours on {cores} cores: {values}")
    for workers, times in results["first_batch_seconds"].items():
        lines.append(
            f"first batch of {TINY_RECORDS:,} records, {workers}: {times['from_call']:.2f} s from "
            f"the call, {times['from_process_start']:.2f} s from the start of the process"
        )
    for name, megabytes in results["peak_memory_megabytes"].items():
        lines.append(f"peak memory with {name}: {megabytes:.0f} MB")
    lines.append(f"{'target':<44}{'found':>10}{'wanted':>10}")
    for what, value, wanted, met in targets(results):
        shown = f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
        lines.append(f"{what:<44}{shown:>10}{wanted:>10}  {'met' if met else 'missed'}")
    size, machine = results["kilobytes_per_file"], results["machine"]
    lines.append(
        f"{results['images']} images of {EDGE} x {EDGE}, batches of {rates.BATCH}; PNG "
        f"{size['PNG']:.0f} kB, JPEG {size['JPEG']:.0f} kB each; {machine['cores']} x "
        f"{machine['cpu']}, load {machine['load_before']:.1f} before"
    )
    return "\n".join(lines)


def describe_machine() -> dict[str, Any]:
    """Returns what is measured on."""
    packages = ("numpy", "pillow", "imagecodecs", "simplejpeg", "grain", "jax", "torch")
    return {
        "cpu": processor_name(),
        "cores": available_cores(),
        "load_before": os.getloadavg()[0],
        "date": time.strftime("%Y-%m-%d"),
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }


def _progress(text: str) -> None:
    print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer images, about a minute")
    parser.add_argument("--json", metavar="FILE", help="write the results there too")
    options = parser.parse_args()
    images, rounds = (128, 1) if options.quick else (1024, 2)
    results = {"machine": describe_machine(), "quick": options.quick, "images": images}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _progress("making the images")
        pipeline_data.make(folder, images)
        results["kilobytes_per_file"] = {
            kind: sum(path.stat().st_size for path in pipeline_data.image_files(folder, kind))
            / (1000 * images)
            for kind in KINDS
        }
        results["images_per_second"] = best_of_rounds(variants(folder, options.quick), rounds)
        results |= measure_processes(folder, images, options.quick)
    _progress("")
    results["targets"] = [
        {"what": what, "found": value, "wanted": wanted, "met": met}
        for what, value, wanted, met in targets(results)
    ]
    print(format_report(results))
    if options.json:
        write_json(options.json, results)


if __name__ == "__main__":
    main()
