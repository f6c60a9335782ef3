"""What a command costs: time, processor seconds, and its largest memory, not that of its caller."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

# Linux counts the largest memory of a process (`ru_maxrss`) from before `exec` on, when it is still
# that of whoever starts it. So the command is started by a process that has imported next to
# nothing, which says the numbers in a line after the command's output.
_STARTER = """
import os, sys, time
begun = time.perf_counter()
process = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
_, status, used = os.wait4(process, 0)
seconds = time.perf_counter() - begun
code = os.waitstatus_to_exitcode(status)
print(f"\\n[{code}, {seconds}, {used.ru_utime + used.ru_stime}, {used.ru_maxrss}]", end="")
"""


class CommandCost(NamedTuple):
    """Processor seconds are with its children's; megabytes the most that one of them had."""

    seconds: float
    processor_seconds: float
    megabytes: float
    output: str


def command_cost(
    command: Sequence[str],
    *,
    cwd: str,
    environment: Mapping[str, str] | None = None,
    stderr: int | None = None,
) -> CommandCost:
    """Runs a command to its end; one that fails ends this process. Linux alone.

    Args:
      command: a program and its arguments.
      cwd: the folder in which it runs.
      environment: its variables; None: those of this process.
      stderr: where its errors go, as of ``subprocess.run``; None: where those of this process go.
    """
    started = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _STARTER, *command],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        check=True,
    )
    output, _, numbers = started.stdout.rpartition("\n")
    code, seconds, processor_seconds, kilobytes = json.loads(numbers)
    if code:
        raise SystemExit(f"exit status {code} of {' '.join(command)}")
    return CommandCost(seconds, processor_seconds, kilobytes / 1024, output)
