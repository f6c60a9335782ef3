"""Eight ratios of speed beside those of the committed table: what got worse by more than a tenth.

    python benchmarks/guard.py [--write --note=TEXT]

Each ratio is a named peer's processor time by ours at the same work, above 1: ours needs less. Both
work on one core, in turn, round after round, and the median over the rounds counts: what else the
machine does then disturbs both, and cores that this process does not have cannot help either. The
table is `benchmarks/guard.json`; `--write` replaces it, with machine, commit, date and a note. The
exit status is 1 where a ratio is below nine tenths of the table's. A ratio depends on the
processor: a table from another one says little.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.guard_pairs import Pair, all_pairs, torch_peer
from benchmarks.processor import processor_name
from input_pipeline.storage.atomic_files import write_json
from npr_jax.cli import host

TABLE = pathlib.Path(__file__).with_suffix(".json")
WORSE = 0.9  # of the table's ratio


def measure(pair: Pair) -> dict[str, Any]:
    """The median ratio of a pair, and the lowest and highest; who begins takes turns."""
    ratios = []
    for number in range(-1, pair.rounds):
        sides: list[tuple[str, Callable[[], float]]] = [("ours", pair.ours), ("peer", pair.peer)]
        seconds = {side: run() for side, run in (sides if number % 2 else sides[::-1])}
        if number >= 0:  # the first round warms up
            ratios.append(seconds["peer"] / seconds["ours"])
    spread = [round(value, 3) for value in (min(ratios), max(ratios))]
    return {"peer": pair.peer_name, "ratio": round(statistics.median(ratios), 3), "spread": spread}


def worse(table: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """The names whose ratio is below nine tenths of the table's."""
    return [
        name
        for name, row in found.items()
        if name in table and row["ratio"] < WORSE * table[name]["ratio"]
    ]


def format_rows(table: dict[str, Any], found: dict[str, Any]) -> str:
    """A line for each: the table's ratio, today's, and its spread."""
    lines = [f"{'':40s} {'table':>7s} {'now':>7s} {'spread':>15s}  peer"]
    names = worse(table, found)
    for name, row in found.items():
        before = f"{table[name]['ratio']:.2f}" if name in table else "new"
        spread = "{:.2f} to {:.2f}".format(*row["spread"])
        end = "  WORSE" if name in names else ""
        lines.append(
            f"{name:40s} {before:>7s} {row['ratio']:>7.2f} {spread:>15s}  {row['peer']}{end}"
        )
    lines += [f"{name:40s} is in the table and was not measured" for name in table.keys() - found]
    return "\n".join(lines)


def where_and_when(note: str) -> dict[str, Any]:
    """What stands beside the ratios."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(command, check=False, capture_output=True, text=True, cwd=TABLE.parent)
    return {
        "processor": processor_name(),
        "cores_of_the_machine": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 1),
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit.stdout.strip(),
        "note": note,
    }


def measure_all(pairs: Sequence[Pair]) -> dict[str, Any]:
    """All ratios by name."""
    found = {}
    for pair in pairs:
        print(f"\r\033[K{pair.name}", end="", file=sys.stderr, flush=True)
        found[pair.name] = measure(pair)
    print("\r\033[K", end="", file=sys.stderr, flush=True)
    return found


def main() -> None:
    """Measures and compares."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="replace the committed table")
    parser.add_argument("--note", default="", help="what else the machine did, for the table")
    parser.add_argument("--json", help="file for what was found")
    flags = parser.parse_args()
    facts = where_and_when(flags.note)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    host.keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder, contextlib.closing(torch_peer()) as peer:
        found = measure_all(all_pairs(pathlib.Path(folder), peer))
    table = json.loads(TABLE.read_text()) if TABLE.exists() else {"ratios": {}}
    print(format_rows(table["ratios"], found))
    if table.get("processor", facts["processor"]) != facts["processor"]:
        print(f"the table is of another processor: {table['processor']}")
    for path in filter(None, (flags.json, flags.write and TABLE)):
        write_json(path, {**facts, "ratios": found})
    used = sum(os.times()[:4])
    print(f"{used:.0f} s of processor time")
    if names := worse(table["ratios"], found):
        print(f"worse by more than a tenth: {', '.join(names)}")
        raise SystemExit(0 if flags.write else 1)


if __name__ == "__main__":
    main()
