"""The part `training` of the reliability campaign (faults.py).

A small run is trained undisturbed once, then once for each kill: `kill -9`, then the same run again
to its end. It must be the undisturbed one bit by bit: every array of network and optimizer, which
checkpoints are kept, and the curve. The kills come, in turn,

- at any moment between the start and the end;
- while a checkpoint is being written;
- in the first step, before there is a checkpoint;
- twice in a row: at any moment, and again before the second start has saved anything;
- as SIGTERM, right after the first save, upon which the run saves itself and ends.

The seed draws the moments. Each training is a process of its own, forked from one that has imported
everything but started no device.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence

import jax
import numpy as np
import orbax.checkpoint as ocp
from ml_collections import ConfigDict

from benchmarks.faults import STOPPED, Moment, forked, kill_when
from configs import quickstart
from input_pipeline.storage.dataset_writer import write_dataset
from input_pipeline.storage.records import ImageRecord
from npr_jax.training.preemption import Preempted, Preemption
from npr_jax.training.train import train

SIGTERM = "SIGTERM"
KINDS = (SIGTERM, "during a save", "any moment", "first step", "twice in a row")
IMAGES = {"train": 21, "validation": 8, "test": 4}
SIDE = 64  # pixels


@dataclasses.dataclass
class Outcome:
    """One run that was killed: how, what was on disk then, and what became of it."""

    kind: str
    seconds: list[float]  # of each kill, from the start of its process
    steps: list[int]  # of the last checkpoint after each kill; 0: none
    finished_before: bool  # the run had ended when the (last) kill came
    same: bool = False


def small_config(folder: pathlib.Path) -> ConfigDict:
    """Three epochs of three steps: every other one is saved, and the last of each epoch."""
    config = quickstart.get_config()
    config.model.backbone = "thin_resnet"
    config.batch_size, config.num_epochs = 8, 3
    config.log_every_steps, config.checkpoint_every_steps = 1, 2
    config.data.crop = config.data.host_crop = 48
    config.data.augment.jpeg_probability = 0.5
    config.data.path = str(folder)
    return config


def write_images(folder: pathlib.Path) -> None:
    """A data set of noise; what is generated is up-sampled by two."""

    def records(split: str, count: int) -> Iterator[ImageRecord]:
        rng = np.random.default_rng(count)
        for index in range(count):
            side = SIDE // 2 if index % 2 else SIDE
            pixels = rng.integers(0, 256, (side, side, 3), np.uint8)
            pixels = pixels.repeat(SIDE // side, 0).repeat(SIDE // side, 1)
            name = f"{split}/{index}.png"
            yield ImageRecord(pixels.tobytes(), "decoded", SIDE, SIDE, index % 2, "noise", name)

    splits = {name: records(name, count) for name, count in IMAGES.items()}
    write_dataset(folder, "noise", splits, {"made_by": "benchmarks/faults.py"})


def finish(work: Callable[[], int], log: pathlib.Path) -> float:
    """Waits for the work; returns how many seconds it took."""
    begun = time.monotonic()
    if os.waitpid(forked(work, log), 0)[1]:
        raise SystemExit(f"an undisturbed process failed:\n{log.read_text()}")
    return time.monotonic() - begun


def saved_steps(workdir: pathlib.Path) -> list[int]:
    """The steps whose checkpoints are complete."""
    names = os.listdir(workdir / "checkpoints") if (workdir / "checkpoints").is_dir() else []
    return sorted(int(name) for name in names if name.isdecimal())


def saves_begun(workdir: pathlib.Path) -> set[str]:
    """Names of the checkpoints that are being written now."""
    return {path.name for path in (workdir / "checkpoints").glob("*orbax-checkpoint-tmp*")}


class TrainingMoment(Moment):
    """Drawn from the seed, and due by what is seen in the workdir."""

    def __init__(self, name: str, workdir: pathlib.Path, lasts: float, rng: random.Random) -> None:
        self._name, self._workdir = name, workdir
        self._at = rng.uniform(0, lasts)
        self._which = rng.randrange(1, 7)  # of the six saves
        self._saved = saved_steps(workdir)
        self._seen: set[str] = set()
        super().__init__(rng)

    def __call__(self) -> bool:
        """Whether it has come."""
        seconds = self.seconds
        if self._name == "any moment":
            return seconds >= self._at
        if self._name == "before a save":
            return seconds >= self._at / 2 or saved_steps(self._workdir) != self._saved
        return self.is_after_sign(seconds)

    def has_sign(self) -> bool:
        """Whether what is waited for has begun."""
        if self._name == SIGTERM:
            return bool(saved_steps(self._workdir))
        if self._name == "first step":
            # The last file that is written before it.
            return (self._workdir / "parameters.txt").exists()
        self._seen |= saves_begun(self._workdir)
        return len(self._seen) >= self._which


def disturb(
    config: ConfigDict, workdir: pathlib.Path, kind: str, lasts: float, rng: random.Random
) -> Outcome:
    """Kills the training as the kind says, then lets it end."""

    def work() -> int:
        """Trains in a process of its own; returns its exit status."""
        preemption = Preemption()
        try:
            with preemption.heeded():
                train(config, workdir, preemption=preemption)
        except Preempted as stop:
            print(stop)
            return STOPPED
        return 0

    log = workdir.with_suffix(".log")
    outcome = Outcome(kind, [], [], finished_before=False)
    for name in ("any moment", "before a save") if kind == "twice in a row" else (kind,):
        due = TrainingMoment(name, workdir, lasts, rng)
        how = signal.SIGTERM if kind == SIGTERM else signal.SIGKILL
        outcome.finished_before = kill_when(forked(work, log), due, how)
        outcome.seconds.append(round(due.seconds, 2))
        outcome.steps.append(max(saved_steps(workdir), default=0))
    finish(work, log)
    return outcome


def arrays_of(workdir: pathlib.Path) -> dict[str, np.ndarray]:
    """Every array of every checkpoint, by step, item and path; read without any of our code."""
    arrays = {}
    for step in saved_steps(workdir):
        for item in ("model", "optimizer"):
            path = (workdir / "checkpoints" / str(step) / item).absolute()
            with ocp.PyTreeCheckpointer() as checkpointer:
                tree = checkpointer.metadata(path).item_metadata.tree
                as_numpy = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), tree)
                saved = checkpointer.restore(path, restore_args=as_numpy)
            for key, value in jax.tree_util.tree_leaves_with_path(saved):
                arrays[f"{step}/{item}{jax.tree_util.keystr(key)}"] = np.asarray(value)
    return arrays


def is_same(workdir: pathlib.Path, whole: pathlib.Path) -> bool:
    """Whether a run is another one bit by bit."""
    ours, expected = arrays_of(workdir), arrays_of(whole)
    return (
        ours.keys() == expected.keys()
        and all(ours[key].tobytes() == expected[key].tobytes() for key in expected)
        and (workdir / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()
    )


def is_same_apart(workdir: pathlib.Path, whole: pathlib.Path, log: pathlib.Path) -> bool:
    """As ``is_same``, in another process: it starts threads, with which none should be forked."""
    return not os.waitpid(forked(lambda: not is_same(workdir, whole), log), 0)[1]


def kill_trainings(
    kills: int, seed: int, scratch: pathlib.Path, kinds: Sequence[str]
) -> list[Outcome]:
    """Kills so many trainings, in these ways in turn, and lets each end; says what became of it."""
    config, log = small_config(scratch / "images"), scratch / "log.txt"
    write_images(scratch / "images")

    def left_alone(name: str) -> int:
        train(config, scratch / name)
        return 0

    finish(lambda: left_alone("first"), log)  # fills the cache of programs
    lasts = finish(lambda: left_alone("whole"), log)
    rng = random.Random(seed)
    outcomes = []
    for number in range(kills):
        workdir = scratch / f"{number:02d}"
        outcomes.append(disturb(config, workdir, kinds[number % len(kinds)], lasts, rng))
        outcomes[-1].same = is_same_apart(workdir, scratch / "whole", log)
        print(f"run {number + 1} of {kills}: {outcomes[-1]}", file=sys.stderr, flush=True)
    return outcomes


def run(
    kills: int, seed: int, scratch: pathlib.Path, table: pathlib.Path | None, kinds: str = ""
) -> int:
    """Prints a line for each kind, and writes the outcomes; 1 where a run is another one."""
    chosen = kinds.split(",") if kinds else KINDS
    if unknown := set(chosen) - set(KINDS):
        raise SystemExit(f"--kinds={','.join(sorted(unknown))}; allowed are {', '.join(KINDS)}")
    outcomes = kill_trainings(kills, seed, scratch, chosen)
    if table:
        table.write_text(json.dumps([dataclasses.asdict(own) for own in outcomes], indent=1) + "\n")
    for kind in KINDS:
        own = [outcome for outcome in outcomes if outcome.kind == kind]
        if own:
            same, early = sum(o.same for o in own), sum(o.finished_before for o in own)
            print(f"{kind}: {same} of {len(own)} ended bit-identical, {early} before the kill")
    return 0 if all(outcome.same for outcome in outcomes) else 1
