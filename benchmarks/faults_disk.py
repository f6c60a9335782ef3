"""The part `disk` of the reliability campaign (faults.py): full, read-only, or losing files.

    unshare -rm python benchmarks/faults.py disk [--kills=3 --seed=0 --faketime=LIBRARY --json=FILE]

Needs to mount a small tmpfs, so it is run by root or, as above, in a name space of its own. Each of
four commands (train, prepare, predict, report) is run undisturbed once, and then

- as often as `--kills` says, with so little space that it runs out half-way: a share, drawn by
  seed, of what the undisturbed one took; then with space;
- on a disk that is read-only from the start; then on one that is not;
- while the folder that it reads is taken away; then with it back; train also while a shard is cut
  short, which is then made whole;
- for those that go on where they were killed: killed half-way, and gone on with under a clock that
  is a day behind (`--faketime` names the libfaketime.so.1 that sets it; left out without it).

The first of the two must end with one line of error and an exit status of 1 or 2 (or, where files
went, in the undisturbed way), leave each file that was there as it was or whole and new, and
nothing half-written but what the second takes up. The second, the same command, must end as the
undisturbed one did, with the same files.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence

from benchmarks import faults_conversion, faults_training
from benchmarks.faults import ROOT, finish, import_everything, start, write_pictures

DISK_BYTES = 256 * 2**20
LEAST_SHARE, MOST_SHARE = 0.02, 0.95  # of the space that the undisturbed command took
LONGEST = 900.0  # seconds
AWAY = "away"  # where a folder lies that was taken away
# What differs from run to run by design. Checkpoints are compared by their arrays; parameters.txt
# has means of those that a run began or went on with.
NOT_COMPARED = re.compile(r"tensorboard/|checkpoints/|/\.[^/]*lock$|\.npz$|parameters\.txt$")
TIMES = re.compile(rb'(scoring_seconds|date)(": "?|</th><td class="long">)[0-9.-]+')


@dataclasses.dataclass
class Work:
    """A command, what it reads and writes."""

    name: str
    arguments: Callable[[pathlib.Path], list[str]]  # by the folder to work in
    reads: pathlib.Path | None  # relative to that folder: what may vanish
    begun: Callable[[pathlib.Path], bool]  # whether it is half-way
    status: int = 0  # of the undisturbed command
    again: tuple[str, ...] = ()  # added where it goes on
    goes_on: bool = True  # whether it can be killed half-way and gone on with


@dataclasses.dataclass
class Outcome:
    """One disturbed command: what it said, and what became of it."""

    work: str
    disturbed: str
    status: int
    said: str  # its line of error
    damaged: list[str]  # files that are neither as they were nor as they should be
    status_then: int
    same: bool  # in the end

    @property
    def good(self) -> bool:
        """Whether all is as it should be."""
        return self.same and not self.damaged and not self.said.startswith("BAD")


def write_inputs(folder: pathlib.Path, seed: int) -> None:
    """All that the commands read."""
    folder.mkdir(parents=True)
    faults_training.write_images(folder / "images")
    faults_conversion.write_tree(folder / "tree", seed)
    write_pictures(folder / "pictures", 150, seed)
    recipe = (
        "import pathlib\nfrom benchmarks.faults_training import small_config\n\n\n"
        "def get_config():\n"
        "    return small_config(pathlib.Path(__file__).parent / 'images')\n"
    )
    (folder / "recipe.py").write_text(recipe)


def works() -> list[Work]:
    """The commands; report needs the run that train leaves."""

    def saved(folder: pathlib.Path) -> bool:
        return bool(faults_training.saved_steps(folder / "out/run"))

    def rows(folder: pathlib.Path) -> bool:
        partial = folder / "out/scores.csv.partial"
        return partial.exists() and partial.stat().st_size > 2000

    def named(folder: pathlib.Path) -> bool:
        return (folder / "out/.converted.partial/progress").exists()

    return [
        Work(
            "prepare",
            lambda at: [
                "prepare",
                f"--source={at}/in/tree",
                f"--output={at}/out/converted",
                "--max_bad_fraction=0.1",
            ],
            pathlib.Path("in/tree"),
            named,
        ),
        Work(
            "predict",
            lambda at: ["predict", f"{at}/in/pictures", f"--output={at}/out/scores.csv"],
            pathlib.Path("in/pictures"),
            rows,
            status=1,  # some pictures are broken
            again=("--resume",),
        ),
        Work(
            "train",
            lambda at: [f"--config={at}/in/recipe.py", f"--workdir={at}/out/run"],
            pathlib.Path("in/images"),
            saved,
        ),
        Work(
            "report",
            lambda at: ["report", f"--workdir={at}/out/run"],
            None,
            lambda _: True,
            goes_on=False,
        ),
    ]


class Disk:
    """A small file system of its own, always at the same place."""

    def __init__(self, place: pathlib.Path):
        self.place = place
        place.mkdir()

    @contextlib.contextmanager
    def mounted(self, laid_out: pathlib.Path) -> Iterator[None]:
        """Holds a copy of what lies in a folder, and is gone afterwards."""
        mount("-t", "tmpfs", "-o", f"size={DISK_BYTES}", "none", str(self.place))
        try:
            shutil.copytree(laid_out, self.place, dirs_exist_ok=True)
            yield
        finally:
            subprocess.run(["umount", "--lazy", str(self.place)], check=True)

    @property
    def used(self) -> int:
        """Bytes."""
        facts = os.statvfs(self.place)
        return (facts.f_blocks - facts.f_bfree) * facts.f_frsize

    @contextlib.contextmanager
    def with_free(self, size: int) -> Iterator[None]:
        """So many bytes are left within the block."""
        mount("-o", f"remount,size={self.used + size}", str(self.place))
        try:
            yield
        finally:
            mount("-o", f"remount,size={DISK_BYTES}", str(self.place))

    @contextlib.contextmanager
    def read_only(self) -> Iterator[None]:
        """Nothing can be written within the block."""
        mount("-o", "remount,ro", str(self.place))
        try:
            yield
        finally:
            mount("-o", "remount,rw", str(self.place))


def mount(*arguments: str) -> None:
    """Ends the campaign where that is not allowed."""
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"cannot mount: {done.stderr.strip()}; see --help")


def said_of(log: pathlib.Path) -> str:
    """The line of error; after BAD what is there instead of one."""
    text = log.read_text(errors="replace")
    lines = [line for line in text.splitlines() if line.startswith("error: ")]
    if "Traceback" in text or len(lines) > 1 or "Exception ignored" in text:
        return "BAD: " + text[-1500:]
    return lines[0] if lines else ""


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    """All files below but those that cannot be compared."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    names = {str(path.relative_to(folder)): path for path in files}
    return {
        name: TIMES.sub(b"", path.read_bytes())
        for name, path in names.items()
        if not NOT_COMPARED.search(name)
    }


class Campaign:
    """The commands on one disk."""

    def __init__(self, scratch: pathlib.Path, seed: int, faketime: str):
        self.scratch, self.faketime = scratch, faketime
        self.rng = random.Random(seed)
        self.disk = Disk(scratch / "disk")
        self.log = scratch / "log.txt"
        self.outcomes: list[Outcome] = []
        self.before = scratch / "before"  # what is on the disk when a command begins
        write_inputs(self.before / "in", seed)
        (self.before / "out").mkdir()

    def undisturbed(self, work: Work) -> None:
        """Finds out what it writes and how much space that takes."""
        with self.disk.mounted(self.before):
            begun = time.time()
            self._expect(work.status, self._finish(work))
            written = (path.stat() for path in (self.disk.place / "out").rglob("*"))
            self.took = sum(facts.st_size for facts in written if facts.st_mtime >= begun)
            self.whole = self.scratch / f"whole-{work.name}"
            shutil.copytree(self.disk.place / "out", self.whole)
        self.expected = contents(self.whole)

    def _expect(self, status: int, found: int) -> None:
        if found != status:
            raise SystemExit(f"ended with {found}, not {status}:\n{self.log.read_text()}")

    def _finish(self, work: Work) -> int:
        self.log.write_text("")
        return finish(work.arguments(self.disk.place), self.log)

    def try_all(self, work: Work, times: int) -> None:
        """Disturbs it in every way."""
        self.undisturbed(work)
        for _ in range(times):
            share = self.rng.uniform(LEAST_SHARE, MOST_SHARE)
            with self.disk.mounted(self.before), self._then(work, f"{share:.0%} of its space"):
                self._within(self.disk.with_free(int(share * self.took)), work)
        with self.disk.mounted(self.before), self._then(work, "read-only"):
            self._within(self.disk.read_only(), work)
        if work.reads is not None:
            self._without(work, work.reads, "what it reads taken away", take_away)
            if work.name == "train":
                self._without(work, work.reads, "a shard cut short", cut_short)
        if self.faketime and work.goes_on:
            self._clock_set_back(work)

    def _within(self, trouble: contextlib.AbstractContextManager[None], work: Work) -> None:
        with trouble:
            self.status = self._finish(work)

    def _without(
        self, work: Work, what: pathlib.Path, how: str, spoil: Callable[[pathlib.Path], None]
    ) -> None:
        with self.disk.mounted(self.before), self._then(work, how):
            reads = self.disk.place / what
            child = self._start_half(work)
            spoil(reads)
            self.status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            shutil.rmtree(reads, ignore_errors=True)
            shutil.rmtree(self.disk.place / AWAY, ignore_errors=True)
            shutil.copytree(self.before / what, reads)

    def _start_half(self, work: Work) -> int:
        self.log.write_text("")
        child = start(work.arguments(self.disk.place), self.log)
        until = time.monotonic() + LONGEST
        while not work.begun(self.disk.place) and time.monotonic() < until:
            time.sleep(0.001)
        return child

    def _clock_set_back(self, work: Work) -> None:
        with self.disk.mounted(self.before), self._then(work, "clock set back", self.faketime):
            child = self._start_half(work)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            self.status = work.status

    @contextlib.contextmanager
    def _then(self, work: Work, how: str, faketime: str = "") -> Iterator[None]:
        """Looks at what is left after the block, and gives the same command again."""
        before = contents(self.disk.place / "out")
        yield
        said, status = said_of(self.log), self.status
        if not said and status != work.status:
            said = f"BAD: {self.log.read_text()[-1500:]}"
        damaged = self._damaged(before)
        arguments = [*work.arguments(self.disk.place), *work.again]
        if faketime:
            then = self._under(faketime, arguments)
        elif said:
            then = finish(arguments, self.log)
        else:  # it was not disturbed at all
            then = status
        same = then == work.status and self._same(work)
        self.outcomes.append(Outcome(work.name, how, status, said, damaged, then, same))
        print(self.outcomes[-1], file=sys.stderr, flush=True)
        if then != work.status or not same:
            print(self.log.read_text()[-3000:], file=sys.stderr, flush=True)

    def _under(self, faketime: str, arguments: Sequence[str]) -> int:
        environment = {**os.environ, "LD_PRELOAD": faketime, "FAKETIME": "-1d"}
        environment["FAKETIME_DONT_FAKE_MONOTONIC"] = "1"
        with open(self.log, "w") as log:
            command = [sys.executable, str(ROOT / "main.py"), *arguments]
            return subprocess.run(command, env=environment, stdout=log, stderr=log).returncode

    def _damaged(self, before: dict[str, bytes]) -> list[str]:
        """Names of files that are neither old nor new, of those that should be either."""
        now = contents(self.disk.place / "out")
        lost = [name for name in before if name not in now]
        torn = [
            name
            for name, found in now.items()
            if not (".partial" in name or name.endswith("metrics.jsonl"))
            and found not in (before.get(name), self.expected.get(name))
        ]
        return lost + torn

    def _same(self, work: Work) -> bool:
        found = contents(self.disk.place / "out")
        if differ := sorted(
            name
            for name in found.keys() | self.expected.keys()
            if found.get(name) != self.expected.get(name)
        ):
            print(f"differ: {differ}", file=sys.stderr)
            return False
        if work.name != "train":
            return True
        run = self.disk.place / "out/run"
        return faults_training.is_same_apart(run, self.whole / "run", self.scratch / "compared")


def take_away(folder: pathlib.Path) -> None:
    """As where a disk is unplugged, at once."""
    folder.rename(folder.parent.parent / AWAY)


def cut_short(images: pathlib.Path) -> None:
    """Takes the second half of the training images away."""
    for shard in images.glob("*-train.tfrecord-*"):
        if shard.suffix != ".index":
            os.truncate(shard, shard.stat().st_size // 2)


def run(
    kills: int, seed: int, scratch: pathlib.Path, table: pathlib.Path | None, faketime: str
) -> int:
    """Prints a line for each disturbance, and writes the outcomes; 1 where one is not good."""
    import_everything()
    import npr_jax.evaluation.evaluate
    import npr_jax.training.train  # noqa: F401

    campaign = Campaign(scratch, seed, faketime)
    for work in works():
        if work.name == "report":  # of the run that was trained, with a page that is an older one
            shutil.copytree(scratch / "whole-train/run", campaign.before / "out/run")
            page = campaign.before / "out/run/report.html"
            page.write_text(page.read_text() + "<!-- the page before -->\n")
        campaign.try_all(work, kills)
    if table:
        rows = [dataclasses.asdict(outcome) for outcome in campaign.outcomes]
        table.write_text(json.dumps(rows, indent=1) + "\n")
    for o in campaign.outcomes:
        verdict = "good" if o.good else "NOT GOOD"
        print(f"{o.work}, {o.disturbed}: {o.status}, then {o.status_then}; {verdict}; {o.said}")
    return 0 if all(outcome.good for outcome in campaign.outcomes) else 1
