"""Runs the steps one after the other, each under its time limit, and writes what they found.

    python -m benchmarks.gpu.runner OUT [--rehearsal] [--seconds=460] [--only NAME ...]

OUT gets `gpu.json`, `gpu.txt` (the table) and `gpu.log` (all that the steps printed); the first two
are written anew after every step, so that they hold what is known when the whole is stopped. A step
that fails or is stopped is a row of the table and not the end. Without a GPU each step takes its
small form, as with `--rehearsal`, and the table says so. The exit status is 1 unless every step
passed.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any, TextIO

from benchmarks.gpu import report
from benchmarks.gpu.steps import STEPS, Step
from input_pipeline.storage.atomic_files import write_file, write_json

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# No step is started with fewer seconds left.
LEAST = 10
# In the rehearsal programs are compiled, not run for long.
CHEAP = {"XLA_FLAGS": "--xla_backend_optimization_level=0"}


def environment(scratch: pathlib.Path) -> dict[str, str]:
    """What all steps share: the code, the compiled programs, and memory for both frameworks."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {
        **os.environ,
        "PYTHONPATH": path,
        "PYTHONUNBUFFERED": "1",
        "JAX_COMPILATION_CACHE_DIR": str(scratch / "jax"),
        "TORCHINDUCTOR_CACHE_DIR": str(scratch / "inductor"),
        "TRITON_CACHE_DIR": str(scratch / "triton"),
        # JAX would take most of a GPU's memory at its first use, and PyTorch needs some.
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "XLA_PYTHON_CLIENT_MEM_FRACTION": "0.92",
    }


def run_step(
    step: Step, limit: float, small: bool, scratch: pathlib.Path, log: TextIO
) -> dict[str, Any]:
    """One row: ``status``, ``seconds``, and ``results``, the JSON that the step wrote, or None."""
    path = scratch / f"{step.name.replace(' ', '-')}.json"
    arguments = [*step.command, *(step.rehearsal if small else ()), f"--json={path}"]
    command = [sys.executable, *(a.replace("{scratch}", str(scratch)) for a in arguments)]
    log.write(f"\n== {step.name}: {' '.join(command[1:])}\n")
    log.flush()
    begin, start = log.tell(), time.monotonic()
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(scratch) | (CHEAP if small else {}) | step.environment,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # to be stopped with its own processes, PyTorch's for example
    )
    try:
        code: int | None = process.wait(limit)
    except subprocess.TimeoutExpired:
        code = None
    finally:
        _stop(process)
    status = "passed"
    if code is None:
        status = f"stopped after {limit:.0f} s"
    elif code:
        status = f"failed: {last_line(pathlib.Path(log.name), begin) or f'exit status {code}'}"
    results = json.loads(path.read_text()) if path.is_file() else None
    return {"status": status, "seconds": time.monotonic() - start, "results": results}


def _stop(process: subprocess.Popen) -> None:
    """Ends what is left of a step: its process group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        process.wait()


def last_line(log: pathlib.Path, begin: int) -> str:
    """The last line that says something after that place of a file, cut to 100 characters."""
    with log.open("rb") as file:
        file.seek(begin)
        lines = file.read().decode(errors="replace").splitlines()
    return next((line.strip()[:100] for line in reversed(lines) if line.strip()), "")


def run(
    steps: Sequence[Step], out: pathlib.Path, *, seconds: float, rehearsal: bool
) -> dict[str, Any]:
    """Runs them all; returns what `gpu.json` holds in the end."""
    out.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + seconds
    whole: dict[str, Any] = {"rehearsal": rehearsal, "date": time.strftime("%Y-%m-%d"), "steps": {}}
    with tempfile.TemporaryDirectory() as name, (out / "gpu.log").open("w") as log:
        scratch = pathlib.Path(name)
        for step in steps:
            left = end - time.monotonic()
            if left < LEAST:
                row: dict[str, Any] = {"status": "not run: no time left", "seconds": 0.0}
            else:
                limit = min(step.limit, left)
                row = run_step(step, limit, whole["rehearsal"], scratch, log)
            whole["steps"][step.name] = row
            found = row.get("results") or {}
            if found.get("gpu") is False:  # the first step says so
                whole["rehearsal"] = True
            write_json(out / "gpu.json", whole)
            write_file(out / "gpu.txt", report.table(whole) + "\n")
            print(f"{step.name}: {row['status']}, {row['seconds']:.0f} s", flush=True)
    return whole


def main() -> None:
    """Runs the steps and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=pathlib.Path, help="folder for the results")
    parser.add_argument("--rehearsal", action="store_true", help="small forms, also on a GPU")
    parser.add_argument("--seconds", type=float, default=460, help="of all steps together")
    parser.add_argument("--limits", type=float, default=1.0, help="all time limits times this")
    names = [step.name for step in STEPS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    flags = parser.parse_args()
    steps = [
        dataclasses.replace(step, limit=step.limit * flags.limits)
        for step in STEPS
        if step.name in flags.only
    ]
    whole = run(steps, flags.out, seconds=flags.seconds, rehearsal=flags.rehearsal)
    print(report.table(whole))
    if any(row["status"] != "passed" for row in whole["steps"].values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
