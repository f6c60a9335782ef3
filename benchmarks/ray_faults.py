"""Kills drivers and workers of ``predict --engine=ray`` at random moments, and counts the results.

    python -m benchmarks.ray_faults --kills=20 --seed=0

Each round scores 200 simulated pictures with a scorer that takes 20 ms for each and notes what it
scores. A driver gets SIGKILL at a moment drawn from the time that an undisturbed round takes, most
of which is its start, or within three seconds after the first picture was scored (``scoring``), and
a worker within the same; a job whose driver was killed is started again until it is done. Counted:
rounds whose output has every picture exactly once, and pictures that were scored more than once.

Not among the tests: a round takes half a minute. Ray is started once for all of them.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator

from benchmarks.simulated_scorer import SimulatedScorer, write_table

NOBODY = 2**30  # no process has this number
LONGEST_DELAY = 3.0  # seconds after the first picture was scored
HOLD = "hold"  # a file in the folder of a job, while which no worker begins a second block
LONGEST_WAIT = 1000.0  # seconds, for that file to go
PICTURES, SECONDS_EACH, BLOCK_ROWS = 200, 0.02, 10
ROUND = "from benchmarks.ray_faults import one_job; import sys; sys.exit(one_job(*sys.argv[1:]))"


class NotingScorer(SimulatedScorer):
    """Appends the name of every picture it scores to a file of its node and process.

    After its first block it waits while there is a ``HOLD``: what is done to the job meanwhile it
    cannot outrun.
    """

    def __init__(self, folder: str, opens: bool = False):
        super().__init__(SECONDS_EACH, opens)
        self._folder, self._blocks = pathlib.Path(folder), 0

    def scored(self, names: Iterable[str]) -> Iterator[str]:
        """The names, noted."""
        import ray

        if self._blocks:
            self._wait()
        self._blocks += 1
        node = ray.get_runtime_context().get_node_id()
        with open(self._folder / f"scored-{node}-{os.getpid()}", "a") as file:
            for name in names:
                file.write(name + "\n")
                file.flush()
                yield name

    def _wait(self) -> None:
        give_up = time.monotonic() + LONGEST_WAIT
        while (self._folder / HOLD).exists():
            if time.monotonic() > give_up:
                raise TimeoutError(f"held for longer than {LONGEST_WAIT:.0f} s")
            time.sleep(0.05)


def nodes_that_scored(folder: str | pathlib.Path) -> set[str]:
    """Those on which a ``NotingScorer`` of that folder has scored a picture."""
    return {path.name.split("-")[1] for path in pathlib.Path(folder).glob("scored-*")}


def one_job(folder: str, address: str, workers: int = 2) -> int:
    """Begins the job of a folder or goes on with it; returns its exit status."""
    pictures, output = f"{folder}/pictures.parquet", f"{folder}/scores"
    return job_of(NotingScorer(folder), pictures, output, address, workers)


def opening_job(folder: str, pictures: str, output: str, address: str) -> int:
    """The same of pictures that are there and are opened, with its results anywhere."""
    return job_of(NotingScorer(folder, opens=True), pictures, output, address, workers=2)


def job_of(scorer: NotingScorer, pictures: str, output: str, address: str, workers: int) -> int:
    """Begins a job or goes on with it; returns its exit status."""
    from npr_jax.cluster.predict import predict_on_ray

    return predict_on_ray(
        scorer,  # type: ignore[arg-type]  # all that is asked of a detector
        [pictures],
        output,
        address=address,
        workers=workers,
        block_rows=BLOCK_ROWS,
    )


def scored_in(folder: pathlib.Path) -> collections.Counter[str]:
    """How often a ``NotingScorer`` of that folder has scored each picture."""
    notes = folder.glob("scored-*")
    return collections.Counter(name for file in notes for name in file.read_text().splitlines())


def run_round(
    folder: pathlib.Path, address: str, victim: str, at: float
) -> tuple[int, int, float, bool]:
    """One job with one kill: of the driver ``at`` seconds after its start, or of it (``scoring``)
    or of a worker so long after the first picture was scored.

    Returns the number of ids that are not there exactly once, that of pictures scored again, the
    seconds of the last start, and whether there was something to kill.
    """
    write_table(folder / "pictures.parquet", PICTURES)
    command = [sys.executable, "-c", ROUND, str(folder), address]
    left, killed = victim, False
    while True:
        start = time.monotonic()
        job = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        if left:
            while left != "driver" and job.poll() is None and not any(folder.glob("scored-*")):
                time.sleep(0.02)
            time.sleep(at)
            killed = kill(worker_of(address) if left == "worker" else job.pid)
        left, status = "", job.wait()
        if status == 0:
            break
        if status != -signal.SIGKILL:
            raise SystemExit(f"{' '.join(command)} ended with {status}")
    took = time.monotonic() - start
    from pyarrow import dataset

    ids = dataset.dataset(folder / "scores").to_table()["id"].to_pylist()
    times = collections.Counter(ids)
    wrong = sum(times[str(number)] != 1 for number in range(PICTURES))
    return wrong, scored_in(folder).total() - PICTURES, took, killed


def worker_of(address: str) -> int:
    """The process id of one that scores for the cluster at an address, 0 where there is none."""
    import psutil

    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.name().startswith("ray::") and "MapBatches(Worker)" in "".join(
                process.cmdline()
            ):
                raylet = process.parent()
                if raylet is not None and any(address in word for word in raylet.cmdline()):
                    return process.pid
    return 0


def kill(process: int) -> bool:
    """SIGKILL; returns whether it was still there."""
    try:
        os.kill(process or NOBODY, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def main() -> None:
    """Prints a line for each round and a table at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="of drivers, and as many of workers")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--address", default="", help="of a cluster; Ray is started without it")
    parser.add_argument("--victims", default="driver,scoring,worker")
    options = parser.parse_args()
    from npr_jax.cluster.session import import_ray, session

    ray = import_ray()
    draw = random.Random(options.seed)
    with session(ray, options.address, num_cpus=4), tempfile.TemporaryDirectory() as scratch:
        address = ray.get_runtime_context().gcs_address
        root = pathlib.Path(scratch)
        (root / "undisturbed").mkdir()
        _, _, seconds, _ = run_round(root / "undisturbed", address, "", 0)
        print(f"undisturbed: {seconds:.1f} s")
        for victim in options.victims.split(","):
            exact, hits, again = 0, 0, []
            for number in range(options.kills):
                folder = root / f"{victim}-{number}"
                folder.mkdir()
                at = draw.uniform(0, seconds if victim == "driver" else LONGEST_DELAY)
                wrong, twice, _, hit = run_round(folder, address, victim, at)
                what = f"{victim} {'killed' if hit else 'gone'} at {at:.1f} s"
                print(f"{what}: {wrong} ids wrong, {twice} scored again", flush=True)
                exact += wrong == 0
                hits += hit
                again.append(twice)
            print(
                f"{victim}: {hits} killed in {options.kills} jobs, {exact} of them exact; scored "
                f"again: at most {max(again)}"
            )


if __name__ == "__main__":
    main()
