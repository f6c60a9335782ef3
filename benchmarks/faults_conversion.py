"""The part `conversion` of the reliability campaign (faults.py).

A folder of small pictures, one in twenty of them broken, is converted undisturbed once, then once
for each kill: `kill -9`, then the same conversion again to its end. The data set must be the
undisturbed one byte for byte, every picture in it exactly once. The kills come, in turn,

- at any moment between the start and the end;
- when so many shards are finished;
- while the shards get their final names;
- twice in a row, at any moment;
- at any moment, where processes of its own decode: they must end with it;
- not to the conversion but to one of these.

The seed draws the moments.
"""

from __future__ import annotations

import collections
import csv
import dataclasses
import json
import os
import pathlib
import random
import signal
import sys
import time

import psutil

from benchmarks.faults import Moment, forked, kill_when, write_pictures
from input_pipeline.errors import UserError
from input_pipeline.prepare.folders import walk_classes
from input_pipeline.prepare.prepare import prepare

WITH_WORKERS, A_WORKER = "with processes", "one that decodes"
KINDS = ("any moment", "at a shard", "while named", "twice in a row", WITH_WORKERS, A_WORKER)
PICTURES = 120
SHARD_BYTES = 300_000  # a dozen shards
LONGEST_END = 20.0  # seconds that processes may take to notice that theirs is gone


@dataclasses.dataclass
class Outcome:
    """One conversion that was killed: how, and what became of it."""

    kind: str
    workers: int  # processes that decoded; 0: the conversion itself
    seconds: list[float]  # of each kill, from the start of its process
    shards: list[int]  # finished after each kill
    finished_before: bool  # the work was done when the (last) kill came
    left_running: int  # processes that outlived the one they worked for
    lost: int = 0  # pictures that are not in the data set
    doubled: int = 0  # pictures that are in it more than once
    same: bool = False


def write_tree(folder: pathlib.Path, seed: int) -> None:
    """Photographs and generated pictures, in name."""
    folder.mkdir()
    for number, name in enumerate(("0_real", "1_fake")):
        write_pictures(folder / name, PICTURES // 2, seed + number, broken_every=20)


def convert(tree: pathlib.Path, output: pathlib.Path, workers: int) -> int:
    """The exit status of the conversion."""
    try:
        prepare(
            walk_classes(tree),
            output,
            name="pictures",
            max_bad_fraction=0.1,
            workers=workers,
            shard_bytes=SHARD_BYTES,
        )
    except UserError as error:
        print(error)
        return 2
    return 0


def finished(output: pathlib.Path) -> int:
    """How many shards of an unfinished conversion are done."""
    return len(list((partial_of(output) / "progress").glob("*.json")))


def partial_of(output: pathlib.Path) -> pathlib.Path:
    """Where a conversion is at work."""
    return output.with_name(f".{output.name}.partial")


class ConversionMoment(Moment):
    """Drawn from the seed, and due by what is seen."""

    def __init__(
        self, kind: str, output: pathlib.Path, lasts: float, shards: int, rng: random.Random
    ):
        self._kind, self._output = kind, output
        # Processes are most of the time starting.
        self._at = rng.uniform(lasts / 2 if kind in (WITH_WORKERS, A_WORKER) else 0, lasts)
        self._shards = rng.randrange(1, shards + 1)
        super().__init__(rng)

    def __call__(self) -> bool:
        """Whether it has come."""
        seconds = self.seconds
        if self._kind not in ("at a shard", "while named"):
            return seconds >= self._at
        return self.is_after_sign(seconds)

    def has_sign(self) -> bool:
        """Whether what is waited for has begun."""
        if self._kind == "while named":
            return any(partial_of(self._output).glob("*.tfrecord-*"))
        return finished(self._output) >= self._shards


def those_of(process: int) -> list[psutil.Process]:
    """The processes that work for one; none where it has ended."""
    try:
        return psutil.Process(process).children()
    except psutil.NoSuchProcess:
        return []


def kill_a_worker(child: int, due: Moment) -> bool:
    """Kills one that decodes, and waits for the conversion; returns whether that had ended."""
    while not (due() and those_of(child)):
        if os.waitpid(child, os.WNOHANG)[0]:
            return True
        time.sleep(0.001)
    # The first child is the one that watches over multiprocessing's resources.
    for victim in those_of(child)[-1:]:
        victim.send_signal(signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def disturb(
    tree: pathlib.Path,
    output: pathlib.Path,
    kind: str,
    workers: int,
    whole: Whole,
    rng: random.Random,
) -> Outcome:
    """Kills the conversion as the kind says, then lets it end."""
    log = output.with_suffix(".log")
    outcome = Outcome(kind, workers, [], [], finished_before=False, left_running=0)
    for _ in range(2 if kind == "twice in a row" else 1):
        due = ConversionMoment(kind, output, whole.seconds[workers], whole.shards, rng)
        child = forked(lambda: convert(tree, output, workers), log)
        helpers: list[psutil.Process] = []
        if kind == A_WORKER:
            outcome.finished_before = kill_a_worker(child, due)
        else:

            def noting(child=child, due=due, helpers=helpers) -> bool:
                came = due()
                if came:
                    helpers += those_of(child)
                return came

            outcome.finished_before = kill_when(child, noting)
        outcome.seconds.append(round(due.seconds, 2))
        outcome.shards.append(finished(output))
        outcome.left_running += len(psutil.wait_procs(helpers, timeout=LONGEST_END)[1])
        if outcome.finished_before:
            break
    if not output.exists():
        finish(tree, output, workers, log)
    outcome.lost, outcome.doubled = counted(output, whole.names)
    outcome.same = bytes_of(output) == whole.content and not partial_of(output).exists()
    return outcome


def finish(tree: pathlib.Path, output: pathlib.Path, workers: int, log: pathlib.Path) -> float:
    """Converts to the end; returns how many seconds it took."""
    begun = time.monotonic()
    if os.waitpid(forked(lambda: convert(tree, output, workers), log), 0)[1]:
        raise SystemExit(f"an undisturbed conversion failed:\n{log.read_text()}")
    return time.monotonic() - begun


def bytes_of(folder: pathlib.Path) -> dict[str, bytes]:
    """All files below."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def names_in(output: pathlib.Path) -> list[str]:
    """What the data set says it holds and what it left out."""
    names = []
    for table, column in (("files.csv", "filename"), ("skipped.csv", "path")):
        with open(output / table, encoding="utf-8", newline="") as file:
            names += [row[column] for row in csv.DictReader(file)]
    return names


def counted(output: pathlib.Path, expected: set[str]) -> tuple[int, int]:
    """How many names are lost, and how many are there more than once."""
    times = collections.Counter(names_in(output))
    return len(expected - times.keys()), sum(count > 1 for count in times.values())


class Whole:
    """The conversion that nothing disturbs, with and without processes that decode."""

    def __init__(self, tree: pathlib.Path, scratch: pathlib.Path):
        outputs = {workers: scratch / f"whole-{workers}" for workers in (0, 2)}
        self.seconds = {
            workers: finish(tree, output, workers, scratch / "whole.log")
            for workers, output in outputs.items()
        }
        self.content = bytes_of(outputs[0])
        if self.content != bytes_of(outputs[2]):
            raise SystemExit("two undisturbed conversions differ")
        self.names = {str(path.relative_to(tree)) for path in tree.rglob("*.png")}
        self.shards = sum(".tfrecord-" in n and not n.endswith(".index") for n in self.content)


def run(kills: int, seed: int, scratch: pathlib.Path, table: pathlib.Path | None) -> int:
    """Prints a line for each kind, and writes the outcomes; 1 where something is not as it was."""
    tree = scratch / "tree"
    write_tree(tree, seed)
    whole, rng, outcomes = Whole(tree, scratch), random.Random(seed), []
    for number in range(kills):
        kind = KINDS[number % len(KINDS)]
        workers = 2 if kind in (WITH_WORKERS, A_WORKER) else 0
        outcomes.append(disturb(tree, scratch / f"{number:02d}", kind, workers, whole, rng))
        print(f"conversion {number + 1} of {kills}: {outcomes[-1]}", file=sys.stderr, flush=True)
    if table:
        table.write_text(json.dumps([dataclasses.asdict(own) for own in outcomes], indent=1) + "\n")
    for kind in KINDS:
        own = [outcome for outcome in outcomes if outcome.kind == kind]
        if own:
            print(
                f"{kind}: {sum(o.same for o in own)} of {len(own)} ended byte for byte the same, "
                f"{sum(o.lost for o in own)} pictures lost, {sum(o.doubled for o in own)} doubled, "
                f"{sum(o.left_running for o in own)} processes left running, "
                f"{sum(o.finished_before for o in own)} had ended before"
            )
    return 0 if all(outcome.same and not outcome.left_running for outcome in outcomes) else 1
