"""What only a process of its own can tell: the first batch, memory, and a number of cores.

    python benchmarks/fresh_process.py first DATASET WORKERS
    python benchmarks/fresh_process.py memory DATASET BATCHES
    python benchmarks/fresh_process.py cores DATASETS CORES SECONDS

Each prints one JSON value.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def run(*arguments: object) -> Any:
    """Runs this file in a new process; returns the value that it prints."""
    command = [sys.executable, __file__, *map(str, arguments)]
    result = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(result.stdout)


def first_batch(path: Path, workers: int) -> dict[str, float]:
    """Returns the seconds from the start of a new process, and from the call, to the first batch.

    The call is `train_iterator` with the opening of the data set, all imports done.
    """
    start = time.time()
    times = run("first", path, workers)
    return {
        "from_process_start": times["batch"] - start,
        "from_call": times["batch"] - times["call"],
    }


def peak_memory(path: Path, batches: int) -> float:
    """Returns the most memory, in MB, that a process held while it read so many batches."""
    return float(run("memory", path, batches))


def rates_on_cores(folder: Path, cores: int, seconds: float) -> dict[str, float]:
    """Returns images per second of our iterator in a process that may use so many cores.

    The better of as many threads and as many worker processes.
    """
    return dict(run("cores", folder, cores, seconds))


def can_limit_cores() -> bool:
    """Tells whether this system can bind a process to some of the cores."""
    return hasattr(os, "sched_setaffinity")


def _first(path: str, workers: str) -> dict[str, float]:
    from input_pipeline.loading.pipeline import train_iterator
    from input_pipeline.storage.prepared_dataset import PreparedDataset

    call = time.time()
    source = PreparedDataset.load(path).source("train")
    batches = train_iterator(source, batch_size=32, seed=0, resize=0, workers=int(workers))
    next(batches)
    times = {"call": call, "batch": time.time()}
    batches.close()
    return times


def _memory(path: str, count: str) -> float:
    from input_pipeline.loading.pipeline import train_iterator
    from input_pipeline.storage.prepared_dataset import PreparedDataset

    source = PreparedDataset.load(path).source("train")
    batches = train_iterator(source, batch_size=32, seed=0, resize=0)
    for _ in range(int(count)):
        next(batches)
    batches.close()
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) / 1000 if found else float("nan")


def _cores(folder: str, cores: str, seconds: str) -> dict[str, float]:
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(cores)])
    from benchmarks import pipeline_data
    from input_pipeline.errors import UserError

    names = (*pipeline_data.KINDS, "decoded")
    rates = {name: _rate(folder, name, 0, seconds) for name in names}
    if int(cores) > 1:
        with contextlib.suppress(UserError):  # there is too little shared memory
            for name in names:
                rates[name] = max(rates[name], _rate(folder, name, int(cores), seconds))
    return rates


def _rate(folder: str, name: str, workers: int, seconds: str) -> float:
    from benchmarks import pipeline_data, rates

    path = pipeline_data.data_set(Path(folder), name)
    return rates.our_rate(path, workers, float(seconds), resize=pipeline_data.EDGE)


if __name__ == "__main__":
    kinds: dict[str, Callable[..., Any]] = {"first": _first, "memory": _memory, "cores": _cores}
    print(json.dumps(kinds[sys.argv[1]](*sys.argv[2:])))
