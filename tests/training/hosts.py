"""Several processes on this machine that train one run together, as on several machines."""

import os
import pathlib
import socket
import subprocess
import sys
import time

from tests import runs

DEADLINE = 400  # seconds
DEVICES = 4  # of all processes together


class Together:
    """``main.py train`` in so many processes that share the devices; ends them when it is left.

    Attributes:
        processes: by their number.
        counts: of each, a file with one byte for each image that it has decoded.
    """

    def __init__(self, folder: pathlib.Path, number: int, arguments: list[str]) -> None:
        with socket.socket() as free:
            free.bind(("localhost", 0))
            port = free.getsockname()[1]
        self.counts = [folder / f"decoded-{number}-{rank}" for rank in range(number)]
        self._logs = [folder / f"log-{number}-{rank}.txt" for rank in range(number)]
        several = [f"--coordinator=localhost:{port}", f"--num_processes={number}"]
        self.processes = []
        for rank, (counted, log) in enumerate(zip(self.counts, self._logs, strict=True)):
            ours = ["-m", "tests.training.one_of_several", str(counted)]
            command = [sys.executable, *ours, *arguments]
            if number > 1:
                command += [*several, f"--process_id={rank}"]
            with log.open("w") as said:
                process = subprocess.Popen(
                    command,
                    cwd=runs.ROOT,
                    env=os.environ | {"JAX_NUM_CPU_DEVICES": str(DEVICES // number)},
                    stdout=said,
                    stderr=subprocess.STDOUT,
                )
            self.processes.append(process)

    def __enter__(self) -> "Together":
        return self

    def __exit__(self, *_) -> None:
        for process in self.processes:
            process.kill()
            process.wait()

    def wait(self) -> list[tuple[int, str]]:
        """The exit status of each process, and what it said."""
        statuses = [process.wait(DEADLINE) for process in self.processes]
        return list(zip(statuses, (log.read_text() for log in self._logs), strict=True))

    def decoded(self) -> list[int]:
        """How many images each process has decoded so far."""
        return [path.stat().st_size for path in self.counts]


def wait_for_step(workdir: pathlib.Path, step: int) -> None:
    """Returns once the curve has a point of that step or a later one."""
    deadline = time.monotonic() + DEADLINE
    while not (workdir / "metrics.jsonl").exists() or not any(
        point["step"] >= step for point in runs.curve(workdir, "train")
    ):
        assert time.monotonic() < deadline
        time.sleep(0.05)
