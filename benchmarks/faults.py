"""The reliability campaign: kills at random moments, and whether the work ends as without them.

    python benchmarks/faults.py predict [--kills=50 --seed=0 --json=FILE]
    python benchmarks/faults.py training [--kinds="any moment,first step", the same]
    python benchmarks/faults.py conversion|disk [the same]
    python benchmarks/faults.py inputs [--number=10000 --seed=0 --kinds=JPEG,zip --json=FILE]
    python benchmarks/faults.py service [--clients=50 --seconds=1800 --seed=0 --json=FILE]

`predict` scores a folder of pictures of several sizes, one in ten of them broken, undisturbed once
and then once for each kill: `kill -9` at a moment that the seed draws, half of them at a time since
the start, half when the table has grown to a size; then the same command with `--resume` to its
end. Counts how often the table is that of the undisturbed run, byte for byte. Ends with status 1
where one is not. `training` is in faults_training.py, `conversion` in faults_conversion.py,
`disk` in faults_disk.py, `inputs` (damaged files of every kind that is read) in faults_inputs.py,
`service` (a server under load) in faults_service.py.

Each command is `npr_jax.cli.main.run` in a process of its own, forked from one that has imported
everything but started no device: what costs time is the work and not Python's start.
"""

from __future__ import annotations

import abc
import argparse
import dataclasses
import importlib
import json
import os
import pathlib
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
SIDES = (40, 64, 96, 150, 200)  # pixels
BROKEN_EVERY = 10
POLL = 0.001  # seconds
LONGEST_DELAY = 0.05  # seconds, after the sign that something has begun
STOPPED = 75  # exit status
SHORTEST_AFTER = 0.2  # of the undisturbed run's time: before, no kill finds anything done


@dataclasses.dataclass
class Outcome:
    """One kill: when, how many bytes of the table were there, and what became of it."""

    seconds: float
    bytes_there: int
    finished_before: bool  # the work was done when the kill came
    same: bool  # the table in the end is that of the undisturbed run


def write_pictures(
    folder: pathlib.Path, count: int, seed: int, broken_every: int = BROKEN_EVERY
) -> None:
    """Pictures of noise, and files that are none."""
    rng = np.random.default_rng(seed)
    folder.mkdir()
    for number in range(count):
        path = folder / f"{number:04d}.png"
        if number % broken_every == 3:
            path.write_bytes(b"\x89PNG and no more")
            continue
        height, width = rng.choice(SIDES, 2)
        Image.fromarray(rng.integers(0, 256, (height, width, 3), np.uint8)).save(path)


def start(arguments: Sequence[str], log: pathlib.Path, last_byte: int = 0) -> int:
    """Runs a command as `forked` does; with a last byte it does not end, but stands still there."""

    def work() -> int:
        from npr_jax.cli.main import run

        if last_byte:
            hold_table(last_byte)
        return run(arguments)

    return forked(work, log)


def forked(work: Callable[[], int], log: pathlib.Path) -> int:
    """Does the work in a process of its own, whose id is returned; what it says goes to a file."""
    child = os.fork()
    if child:
        return child
    status = 70
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        status = work()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def hold_table(size: int) -> None:
    """Has this process wait for its end after the row with which its table has that size."""
    from input_pipeline.storage.growing_file import GrowingFile

    keep = GrowingFile.keep

    def held(self: GrowingFile) -> None:
        keep(self)
        while self.file.tell() >= size:
            time.sleep(POLL)

    GrowingFile.keep = held  # type: ignore[method-assign]


def finish(arguments: Sequence[str], log: pathlib.Path) -> int:
    """The exit status of a command."""
    return os.waitstatus_to_exitcode(os.waitpid(start(arguments, log), 0)[1])


def size_of(path: pathlib.Path) -> int:
    """Bytes; 0 where there is no file."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


class Moment(abc.ABC):
    """When to kill: ``due``, as is seen, or a little after the sign that something has begun."""

    def __init__(self, rng: random.Random) -> None:
        self._delay = rng.uniform(0, LONGEST_DELAY)
        self._sign: float | None = None
        self._begun = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._begun

    @abc.abstractmethod
    def __call__(self) -> bool:
        """Whether it has come."""

    @abc.abstractmethod
    def has_sign(self) -> bool:
        """Whether what is waited for has begun."""

    def is_after_sign(self, seconds: float) -> bool:
        """Whether the delay after the sign is over."""
        if self._sign is None and self.has_sign():
            self._sign = seconds
        return self._sign is not None and seconds >= self._sign + self._delay


def kill_when(child: int, due: Callable[[], bool], how: int = signal.SIGKILL) -> bool:
    """Sends a signal as soon as it is due; returns whether the process had ended before.

    One that can be heeded is obeyed where the exit status is that of the signal, or STOPPED.
    """
    while not due():
        if os.waitpid(child, os.WNOHANG)[0]:
            return True
        time.sleep(POLL)
    os.kill(child, how)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) not in (-how, STOPPED)


def kill_predictions(kills: int, pictures: int, seed: int, scratch: pathlib.Path) -> list[Outcome]:
    """Kills and resumes `predict` so many times."""
    folder, log = scratch / "pictures", scratch / "log.txt"
    write_pictures(folder, pictures, seed)
    whole = scratch / "whole.csv"
    for _ in range(2):  # the first one fills the cache of compiled programs
        begun = time.monotonic()
        status = finish(["predict", str(folder), f"--output={whole}"], log)
        lasts = time.monotonic() - begun
        if status != 1:  # some pictures are broken
            raise SystemExit(f"the undisturbed run ended with status {status}:\n{log.read_text()}")
    expected = whole.read_bytes()
    rng = random.Random(seed)
    outcomes = []
    for number in range(kills):
        output = scratch / f"{number:02d}.csv"
        partial = pathlib.Path(f"{output}.partial")
        arguments = ["predict", str(folder), f"--output={output}"]
        moment = lasts * rng.uniform(SHORTEST_AFTER, 1)
        bytes_due = rng.randrange(1, len(expected)) if number % 2 else 0
        begun = time.monotonic()

        def due(begun=begun, moment=moment, partial=partial, bytes_due=bytes_due) -> bool:
            if bytes_due:
                return size_of(partial) >= bytes_due
            return time.monotonic() - begun >= moment

        # It stands still with its last row, or a slow kill would find it done.
        last_byte = len(expected) if bytes_due else 0
        finished_before = kill_when(start(arguments, log, last_byte), due)
        seconds, there = time.monotonic() - begun, size_of(partial)
        status = finish([*arguments, "--resume"], log)
        same = status == 1 and output.read_bytes() == expected and not partial.exists()
        outcomes.append(Outcome(seconds, there, finished_before, same))
        print(f"kill {number + 1} of {kills}: {outcomes[-1]}", flush=True)
    return outcomes


def main() -> int:
    """Runs one part of the campaign."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = ["predict", "training", "conversion", "disk", "inputs", "service"]
    parser.add_argument("part", choices=parts)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--pictures", type=int, default=120)
    parser.add_argument("--number", type=int, default=10_000, help="inputs: damaged files in all")
    parser.add_argument("--clients", type=int, default=50, help="service: how many")
    parser.add_argument("--seconds", type=float, default=1800, help="service: how long")
    parser.add_argument("--kinds", default="", help="inputs, training: which; empty: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=pathlib.Path, help="file for the outcomes")
    parser.add_argument("--faketime", default="", help="libfaketime.so.1, for the part disk")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", f"{scratch}/programs")
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        if options.part != "predict":
            part = importlib.import_module(f"benchmarks.faults_{options.part}")
            counted = {"inputs": options.number, "service": options.clients}
            own = {
                "disk": [options.faketime],
                "inputs": [options.kinds],
                "service": [options.seconds],
                "training": [options.kinds],
            }
            return part.run(
                counted.get(options.part, options.kills),
                options.seed,
                pathlib.Path(scratch),
                options.json,
                *own.get(options.part, []),
            )
        import_everything()
        outcomes = kill_predictions(
            options.kills, options.pictures, options.seed, pathlib.Path(scratch)
        )
    if options.json:
        rows = [dataclasses.asdict(outcome) for outcome in outcomes]
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    same = sum(outcome.same for outcome in outcomes)
    found = sum(outcome.bytes_there > 0 for outcome in outcomes)
    early = sum(outcome.finished_before for outcome in outcomes)
    print(
        f"predict: {same} of {len(outcomes)} resumed runs have the undisturbed run's bytes; "
        f"{found} were killed with rows written, {early} had ended before"
    )
    return 0 if same == len(outcomes) else 1


def import_everything() -> None:
    """Imports what `predict` needs, once for all processes that are forked from this one."""
    import npr_jax.cli.main
    import npr_jax.cli.predict
    import npr_jax.inference.ensemble  # noqa: F401


if __name__ == "__main__":
    sys.exit(main())
