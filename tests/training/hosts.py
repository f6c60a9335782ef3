"""Several processes on this machine that train one run together, as on several machines."""

import contextlib
import os
import pathlib
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable

from tests import runs

DEADLINE = 1000  # seconds
DEVICES = 4  # of all processes together
LOGGED = {"TF_CPP_MIN_LOG_LEVEL": "0"}  # XLA says where all are going to stop


class Together:
    """``main.py train`` in so many processes that share the devices; ends them when it is left.

    Attributes:
        processes: by their number.
        counts: of each, a file with one byte for each image that it has decoded.
        hold: while this file exists none trains beyond ``one_of_several.HELD_AT``.
    """

    def __init__(self, folder: pathlib.Path, number: int, arguments: list[str]) -> None:
        port = free_port()
        self.hold = folder / "hold"
        self.counts = [folder / f"decoded-{number}-{rank}" for rank in range(number)]
        self._logs = [folder / f"log-{number}-{rank}.txt" for rank in range(number)]
        several = [f"--coordinator=localhost:{port}", f"--num_processes={number}"]
        self.processes = []
        for rank, (counted, log) in enumerate(zip(self.counts, self._logs, strict=True)):
            ours = ["-m", "tests.training.one_of_several", str(counted), str(self.hold)]
            command = [sys.executable, *ours, *arguments]
            if number > 1:
                command += [*several, f"--process_id={rank}"]
            with log.open("w") as said:
                process = subprocess.Popen(
                    command,
                    cwd=runs.ROOT,
                    env=os.environ | LOGGED | {"JAX_NUM_CPU_DEVICES": str(DEVICES // number)},
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
        return [self.end_of(rank) for rank in range(len(self.processes))]

    def end_of(self, rank: int) -> tuple[int, str]:
        """The exit status of one process, and what it said."""
        status = self.processes[rank].wait(DEADLINE)
        return status, self._logs[rank].read_text()

    def wait_for_agreement(self) -> None:
        """Returns once all processes know at which step they stop, or have ended."""
        wait_until(
            lambda: (
                any("Preemption sync counter is set" in log.read_text() for log in self._logs)
                or all(process.poll() is not None for process in self.processes)
            )
        )

    def decoded(self) -> list[int]:
        """How many images each process has decoded so far."""
        return [path.stat().st_size for path in self.counts]


def free_port() -> int:
    """A port below those (from 32768 on) that Linux gives to whoever asks for any."""
    for port in random.sample(range(20_000, 32_000), 1000):
        with contextlib.suppress(OSError), socket.socket() as tried:
            tried.bind(("localhost", port))
            return port
    raise OSError("no port is free")


def wait_for_step(workdir: pathlib.Path, step: int) -> None:
    """Returns once the curve has a point of that step or a later one."""
    curve = workdir / "metrics.jsonl"
    wait_until(
        lambda: (
            curve.exists() and any(point["step"] >= step for point in runs.curve(workdir, "train"))
        )
    )


def wait_until(condition: Callable[[], bool]) -> None:
    """Asks again and again, for ``DEADLINE`` seconds at most."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
