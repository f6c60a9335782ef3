"""A server under load, with and without hostile clients, and killed: a part of the campaign.

    python benchmarks/faults.py service [--clients=50 --seconds=1800 --seed=0 --json=FILE]

Asks the API what its own OpenAPI document allows (schemathesis, where it is installed), then serves
`--clients` for a third of the time, and again for the rest with every tenth of them hostile
(hostile_clients.py), comparing each score with that of `predict`; at last kills the server under
load and starts it again. Ends with status 1 for a server error, a wrong score, an error but
"busy", memory at rest that changed by more than 5 %, honest clients that waited more than twice as
long beside hostile ones, or a start of more than 10 seconds.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import importlib.util
import json
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import time
from typing import Any

import httpx

from benchmarks.hostile_clients import hostile
from benchmarks.serve_load import (
    DRIFT,
    Memory,
    Sample,
    Tally,
    bad_samples,
    client,
    make_pictures,
    predicted,
    rest,
    server,
)

PICTURES = 40
HOSTILE = 0.1  # of the clients
MOST_TIMES_SLOWER, MOST_SECONDS_TO_START = 2.0, 10.0
EXAMPLES = 30  # of each operation and phase of schemathesis


def run(
    clients: int, seed: int, scratch: pathlib.Path, output: pathlib.Path | None, seconds: float
) -> int:
    """Does all of it, prints what was found and returns the status."""
    folder = scratch / "pictures"
    folder.mkdir()
    make_pictures(folder, PICTURES, longest=300)
    good, bad = predicted("", folder, scratch / "scores.csv"), bad_samples()
    found: dict[str, Any] = {"load before": round(os.getloadavg()[0], 1)}
    with server("") as (address, process):
        found |= ask_by_document(address, seed, scratch)
        memory = Memory(process)
        memory.start()
        alone, _ = serve_all(address, good, bad, clients, 0, seconds / 3, seed)
        early = rest(address, memory)
        beside, deeds = serve_all(address, good, bad, clients, HOSTILE, seconds * 2 / 3, seed + 1)
        late = rest(address, memory)
        memory.end()
        found["open files at the end"] = len(os.listdir(f"/proc/{process}/fd"))
    found |= {"alone": summary(alone), "beside hostile clients": summary(beside)}
    found["hostile deeds"] = dict(deeds)
    found["memory at rest MB"] = [round(early, 1), round(late, 1)]
    found["memory change"] = round(late / early - 1, 4)
    found["times slower"] = round(
        statistics.median(beside.waits) / statistics.median(alone.waits), 2
    )
    found["seconds to the first answer of a new start"] = restart(good, bad, clients)
    found["load after"] = round(os.getloadavg()[0], 1)
    for name, value in found.items():
        print(f"{name}: {value}")
    if output:
        output.write_text(json.dumps(found, indent=1) + "\n")
    wrong = alone.wrong + beside.wrong
    return int(
        bool(wrong)
        or found.get("schemathesis's status", 0) != 0
        or abs(found["memory change"]) > DRIFT
        or found["times slower"] > MOST_TIMES_SLOWER
        or found["seconds to the first answer of a new start"] > MOST_SECONDS_TO_START
    )


def ask_by_document(address: str, seed: int, scratch: pathlib.Path) -> dict[str, Any]:
    """What schemathesis found, with requests made from the server's document; {} without it."""
    if importlib.util.find_spec("schemathesis") is None:
        return {"schemathesis": "not installed: pip install schemathesis"}
    code = "import sys; from schemathesis.cli import schemathesis; sys.exit(schemathesis())"
    flags = ["--checks=not_a_server_error", f"--seed={seed}", f"--max-examples={EXAMPLES}"]
    flags += ["--no-color", "--generation-database=none", "--request-timeout=120"]
    command = [sys.executable, "-c", code, "run", f"{address}/api/v1/openapi.json", *flags]
    # It keeps what it has learnt in the folder that it runs in.
    finished = subprocess.run(command, capture_output=True, text=True, cwd=scratch)
    lines = [line.strip() for line in finished.stdout.splitlines() if line.strip()]
    return {"schemathesis's status": finished.returncode, "schemathesis": lines[-12:]}


def serve_all(
    address: str,
    good: list[Sample],
    bad: list[Sample],
    clients: int,
    share: float,
    seconds: float,
    seed: int,
) -> tuple[Tally, collections.Counter[str]]:
    """What came back to the honest ones of so many clients, and what the others did."""
    tally, until = Tally(), time.monotonic() + seconds
    ill = round(clients * share)
    first = 1000 * seed  # of the numbers that clients draw by

    async def everyone() -> collections.Counter[str]:
        honest = (
            client(address, first + number, until, good, bad, tally)
            for number in range(clients - ill)
        )
        others = [asyncio.create_task(hostile(address, first + n, until)) for n in range(ill)]
        await asyncio.gather(*honest, *others)
        return sum((task.result() for task in others), collections.Counter())

    return tally, asyncio.run(everyone())


def summary(tally: Tally) -> dict[str, Any]:
    """What of a tally is worth a line."""
    waits = sorted(tally.waits)
    return {
        "statuses": dict(sorted(tally.statuses.items())),
        "pictures scored": tally.pictures,
        "largest difference of scores": tally.largest_difference,
        "number wrong": len(tally.wrong),
        "wrong": tally.wrong[:10],
        "median wait s": round(statistics.median(waits), 2),
        "95 % wait s": round(waits[int(0.95 * len(waits))], 2),
    }


def restart(good: list[Sample], bad: list[Sample], clients: int) -> float:
    """Kills a server under load; seconds until a new one has scored a picture under load."""
    load = None
    try:
        with server("", ends_well=False) as (address, process):
            load = _load(address, clients)
            time.sleep(5)
            os.kill(process, signal.SIGKILL)
        begun = time.monotonic()
        port = int(address.rpartition(":")[2])
        with server("", port=port) as (again, _), httpx.Client(trust_env=False) as http:
            while True:
                files = [("files", (good[0].name, good[0].data))]
                with contextlib.suppress(httpx.HTTPError):
                    answer = http.post(f"{again}/api/v1/score", files=files, timeout=60)
                    if answer.status_code == 200:
                        return round(time.monotonic() - begun, 1)
                time.sleep(0.2)
    finally:
        if load is not None:
            load.kill()
            load.wait()


def _load(address: str, clients: int) -> subprocess.Popen[bytes]:
    """Clients in a process of their own, which ask on while there is no server."""
    code = (
        "import io, sys, time, threading, httpx; from PIL import Image\n"
        "file = io.BytesIO(); Image.effect_noise((128, 128), 50).save(file, 'PNG')\n"
        "def ask():\n"
        "    http = httpx.Client(timeout=60, trust_env=False, verify=False)\n"
        "    while True:\n"
        "        try:\n"
        "            http.post(sys.argv[1], files={'files': ('a.png', file.getvalue())})\n"
        "        except httpx.HTTPError:\n"
        "            pass\n"
        "        time.sleep(0.5)\n"
        "for _ in range(int(sys.argv[2])): threading.Thread(target=ask).start()\n"
    )
    return subprocess.Popen([sys.executable, "-c", code, f"{address}/api/v1/score", str(clients)])
