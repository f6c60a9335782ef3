"""Damaged files of every kind that is read, as a part of the reliability campaign.

    python benchmarks/faults.py inputs [--number=10000 --seed=0 --kinds=JPEG,zip --json=FILE]

Sound files, which this makes itself, are damaged as the seed says and read as commands read them.
Each must end with a result or a `UserError`, which is what a row's error is, within a time and with
memory that are bounded. A process reads many, one after another; where one of them kills or stops
it, that is counted, and the next process goes on behind it. Ends with status 1 where anything but
results and refusals was seen.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import json
import os
import pathlib
import random
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
from mmap import mmap

from benchmarks.mutations import Kind, mutate, with_png_sums

SECONDS = 150.0  # for one file; a decoder's own process is given 120
MEGABYTES = 600.0  # that one file may add at its peak; a picture has MAX_PIXELS at most
MAX_PIXELS = 4_000_000
POLL = 0.05  # seconds
ROOT = pathlib.Path(__file__).resolve().parent.parent
RESULT, REFUSED, FAULT, CRASH, HANG, LARGE = (
    "result", "refused", "fault", "crash", "hang", "too much memory",
)  # fmt: skip
DECODER_DIED = "its decoder crashed"  # in a process of its own, and the file was refused
_STATE = struct.Struct("<qd")  # number of the file that is read, and since when


@dataclasses.dataclass
class Tally:
    """What became of the files of one kind."""

    counts: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    faults: dict[str, list[int]] = dataclasses.field(default_factory=dict)  # what -> numbers
    decoders_died: int = 0
    slowest: float = 0.0  # seconds
    largest: float = 0.0  # MB

    def add(self, number: int, outcome: str, what: str, seconds: float, megabytes: float) -> None:
        """Counts one file."""
        self.counts[outcome] += 1
        self.decoders_died += outcome == REFUSED and DECODER_DIED in what
        self.slowest, self.largest = max(self.slowest, seconds), max(self.largest, megabytes)
        if outcome not in (RESULT, REFUSED):
            self.faults.setdefault(f"{outcome}: {what}", []).append(number)


def run(
    number: int, seed: int, scratch: pathlib.Path, output: pathlib.Path | None, names: str
) -> int:
    """Reads so many damaged files in all and prints what became of them; returns the status."""
    kinds = _all_kinds(scratch)
    chosen = [name for name in kinds if not names or name in names.split(",")]
    each = -(-number // len(chosen))
    tallies = _read_all({name: kinds[name] for name in chosen}, each, seed, scratch)
    print("| kind | files | result | refused | anything else | slowest s | most memory MB |")
    print("|---|---|---|---|---|---|---|")
    for name, tally in tallies.items():
        counts, total = tally.counts, sum(tally.counts.values())
        other = total - counts[RESULT] - counts[REFUSED]
        print(
            f"| {name} | {total} | {counts[RESULT]} | {counts[REFUSED]} | {other} | "
            f"{tally.slowest:.1f} | {tally.largest:.0f} |"
        )
    for name, tally in tallies.items():
        if tally.decoders_died:
            print(f"{name}: a decoder's own process died of {tally.decoders_died} refused files")
        for what, numbers in tally.faults.items():
            print(f"{name}: {len(numbers)} x {what} (as {numbers[:3]})")
    if output:
        output.write_text(json.dumps({name: vars(tally) for name, tally in tallies.items()}))
    return int(any(tally.faults for tally in tallies.values()))


def _all_kinds(scratch: pathlib.Path):
    from benchmarks import faults_files, faults_models
    from benchmarks.faults_pictures import pictures

    found = {
        name: Kind(files, _read_picture, _damage_picture) for name, files in pictures().items()
    }
    return found | faults_files.kinds(scratch) | faults_models.kinds()


def _damage_picture(rng: random.Random, data: bytes, other: bytes) -> bytes:
    damaged = mutate(rng, data, other)
    return with_png_sums(damaged) if rng.random() < 0.5 and damaged[:4] == b"\x89PNG" else damaged


def _read_picture(data: bytes, folder: pathlib.Path) -> None:
    """All that commands and the server do with a file's bytes; the network gets an array."""
    from input_pipeline.images.metadata import metadata_picture
    from input_pipeline.images.problems import UnreadableImageError
    from input_pipeline.images.transforms import decode, size_of
    from input_pipeline.provenance.report import read_provenance
    from npr_jax.serving.file_report import report_file

    read_provenance(data)
    problem = None
    for look in (size_of, metadata_picture):
        try:
            look(data)
        except UnreadableImageError as error:
            problem = error
    pixels = decode(data, max_pixels=MAX_PIXELS)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise RuntimeError(f"decoded to {pixels.shape}")
    report = report_file(data, _trust_list())
    if report is not None:
        report.model_dump_json()
    if problem is not None:
        raise problem


@functools.cache
def _trust_list():
    from input_pipeline.provenance.trust_lists import official_trust_list

    return official_trust_list()


def _read_all(kinds, each: int, seed: int, scratch: pathlib.Path) -> dict[str, Tally]:
    """Reads the damaged files of every kind, as many kinds at a time as there are cores."""
    waiting, tallies = list(kinds), {}
    running: list[_Reader] = []
    while waiting or running:
        while waiting and len(running) < (os.cpu_count() or 1):
            name = waiting.pop(0)
            running.append(_Reader(name, kinds[name], each, seed, scratch))
        for reader in running:
            reader.look_after()
            if reader.is_done:
                tallies[reader.name] = reader.tally()
                print(f"{reader.name}: {dict(tallies[reader.name].counts)}", file=sys.stderr)
        running = [reader for reader in running if not reader.is_done]
        time.sleep(POLL)
    return {name: tallies[name] for name in kinds}


class _Reader:
    """The process that reads the files of one kind; started anew where a file ends it."""

    def __init__(self, name: str, kind, each: int, seed: int, scratch: pathlib.Path):
        self.name, self._kind, self._each, self._seed = name, kind, each, seed
        self._lines = pathlib.Path(tempfile.mkdtemp(dir=scratch)) / "outcomes.jsonl"
        self._state = mmap(-1, _STATE.size)
        self._lost: list[tuple[int, str, str]] = []
        self.is_done = False
        self._start(0)

    def _start(self, first: int) -> None:
        from benchmarks.faults import forked

        log = self._lines.with_name("log.txt")
        self._note(first)
        self._process = forked(lambda: self._work(first), log)

    def _note(self, number: int) -> None:
        self._state[:] = _STATE.pack(number, time.monotonic())

    def look_after(self) -> None:
        """Kills a process that takes too long; goes on behind the file that ended one."""
        ended, status = os.waitpid(self._process, os.WNOHANG)
        number, since = _STATE.unpack(self._state[:])
        if not ended:
            if time.monotonic() - since <= SECONDS:
                return
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
            self._lost.append((number, HANG, f"{SECONDS:.0f} s"))
        elif status == 0 and number >= self._each:
            self.is_done = True
            return
        else:
            what = os.waitstatus_to_exitcode(status)
            self._lost.append((number, CRASH, f"exit status {what}"))
        self._start(number + 1)

    def _work(self, first: int) -> int:
        with open(self._lines, "a", buffering=1, encoding="utf-8") as lines:
            for number in range(first, self._each):
                self._note(number)
                data = damaged(self._kind, self.name, self._seed, number)
                begun = time.monotonic()
                outcome, what, megabytes = _outcome(self._kind.read, data, self._lines.parent)
                took = time.monotonic() - begun
                lines.write(json.dumps([number, outcome, what, took, megabytes]) + "\n")
        self._note(self._each)
        return 0

    def tally(self) -> Tally:
        """What became of all files."""
        found = Tally()
        if self._lines.exists():
            for line in self._lines.read_text(encoding="utf-8").splitlines():
                found.add(*json.loads(line))
        for number, outcome, what in self._lost:
            found.add(number, outcome, what, 0.0, 0.0)
        return found


def damaged(kind, name: str, seed: int, number: int) -> bytes:
    """The file of that number; the same on every machine with the same libraries."""
    rng = random.Random(f"{seed}/{name}/{number}")
    return kind.damage(rng, rng.choice(kind.seeds), rng.choice(kind.seeds))


def _outcome(read, data: bytes, scratch: pathlib.Path) -> tuple[str, str, float]:
    """What becomes of one file, in words, and the memory that reading it took at its peak, MB."""
    from input_pipeline.errors import UserError

    folder = scratch / "file"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    before = _memory("VmRSS")
    _forget_peak()
    outcome, what = RESULT, ""
    try:
        read(data, folder)
    except UserError as error:
        outcome, what = REFUSED, str(error)
        if not what.strip():
            outcome, what = FAULT, "a refusal without a reason"
    except Exception as error:  # noqa: BLE001 - whatever is left is what is looked for
        outcome, what = FAULT, _where(error)
    megabytes = max(0.0, _memory("VmHWM") - before)
    if megabytes > MEGABYTES:
        outcome, what = LARGE, f"{megabytes:.0f} MB"
    return outcome, what, megabytes


def _where(error: Exception) -> str:
    """An exception and the last line of ours on its way."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [
        f for f in frames if f.filename.startswith(str(ROOT)) and "benchmarks" not in f.filename
    ]
    last = (ours or frames)[-1]
    place = pathlib.Path(last.filename)
    place = place.relative_to(ROOT) if place.is_relative_to(ROOT) else pathlib.Path(place.name)
    return f"{type(error).__name__} at {place}:{last.lineno} ({str(error)[:80]})"


def _memory(field: str) -> float:
    """MB of this process; 0 where the system does not say."""
    try:
        text = pathlib.Path("/proc/self/status").read_text()
    except OSError:
        return 0.0
    return next(int(line.split()[1]) / 1024 for line in text.splitlines() if field in line)


def _forget_peak() -> None:
    with contextlib.suppress(OSError):
        pathlib.Path("/proc/self/clear_refs").write_text("5")
