"""Many clients at once on a server of this machine: is every answer right, and memory flat?

    python benchmarks/serve_load.py [--workdir=RUN --clients=50 --seconds=600]

Starts ``main.py serve`` on loopback, sends pictures of many sizes and formats from many clients,
some of them broken or too large, and compares every score with what ``main.py predict`` says of
the same file. Clients that are told that the server is busy come back when they were told to. Ends
with status 1 where an answer was wrong, failed for another reason than "busy", or the server's
memory changed by more than 5 % after the first minute. It is read while nothing is worked on: under
load it rises and falls with the pictures of the moment.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import csv
import dataclasses
import io
import json
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator

import httpx
import numpy as np
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parent.parent
TOLERANCE = 1e-5  # of scores
DRIFT = 0.05  # of memory
WARM_SECONDS = 60
SECONDS_OF_REST = 4
BUSY, OK = 503, 200
MAX_MEGABYTES = 4  # that the server is told, so that files beyond are quickly sent
LONGEST_SIDE = 900  # pixels; one in twenty is up to twice as long
SHARE_DETAILED, SHARE_SEVERAL, SHARE_BAD = 0.05, 0.05, 0.1
# Format and quality, which PNG ignores.
KINDS = (("PNG", 0), ("JPEG", 90), ("JPEG", 60), ("WEBP", 80))


@dataclasses.dataclass(frozen=True)
class Sample:
    """A file, and what the server has to answer: a score, or a status."""

    name: str
    data: bytes
    score: float | None = None
    status: int = OK
    small: bool = False


@dataclasses.dataclass
class Tally:
    """What came back."""

    statuses: collections.Counter[int] = dataclasses.field(default_factory=collections.Counter)
    latencies: list[float] = dataclasses.field(default_factory=list)
    # From the first time that a client asked, those at which the server was busy included.
    waits: list[float] = dataclasses.field(default_factory=list)
    pictures: int = 0
    largest_difference: float = 0.0
    wrong: list[str] = dataclasses.field(default_factory=list)


def make_pictures(folder: pathlib.Path, count: int, longest: int = LONGEST_SIDE) -> None:
    """Writes pictures of random sizes, formats and content, each file's number in its name."""
    rng = np.random.default_rng(0)
    for number in range(count):
        most = longest * (2 if number % 20 == 7 else 1)
        height, width = (int(side) for side in rng.integers(32, most, 2))
        blocks = rng.integers(0, 256, (-(-height // 4), -(-width // 4), 3), np.uint8)
        pixels = blocks.repeat(4, 0).repeat(4, 1)[:height, :width]
        pixels = pixels // 2 + rng.integers(0, 128, pixels.shape, np.uint8)
        image = Image.fromarray(pixels)
        kind, quality = KINDS[number % len(KINDS)]
        if number % 9 == 0:
            image = image.convert("L")
        if number % 11 == 0 and kind != "JPEG":
            image = image.convert("RGBA")
        image.save(folder / f"{number:04d}.{kind.lower()}", kind, quality=quality)


def predicted(workdir: str, folder: pathlib.Path, table: pathlib.Path) -> list[Sample]:
    """The files with the scores that ``main.py predict`` gives them."""
    command = [sys.executable, "main.py", "predict", *_detector(workdir), str(folder)]
    subprocess.run([*command, f"--output={table}"], cwd=ROOT, check=True, stderr=subprocess.PIPE)
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    samples = []
    for row in rows:
        path = pathlib.Path(row["path"])
        with Image.open(path) as image:
            small = max(image.size) <= 300
        samples.append(Sample(path.name, path.read_bytes(), float(row["score"]), small=small))
    return samples


def _detector(workdir: str) -> list[str]:
    """The flag that names a run; none for the bundled detector."""
    return [f"--workdir={workdir}"] if workdir else []


def bad_samples() -> list[Sample]:
    """Files that have to be refused, each with its status."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64)).save(buffer, "PNG")
    good = buffer.getvalue()
    head = good[12:16] + (60_000).to_bytes(4, "big") * 2 + good[24:29]
    wide = good[:12] + head + zlib.crc32(head).to_bytes(4, "big") + good[33:]
    tiny = io.BytesIO()
    Image.new("RGB", (16, 16)).save(tiny, "PNG")
    return [
        Sample("broken.jpg", b"\xff\xd8\xff\xe0 and no more", status=415),
        Sample("cut.png", good[:60], status=415),
        Sample("words.txt", b"no picture at all", status=415),
        Sample("bomb.png", wide, status=413),
        Sample("heavy.bmp", bytes(MAX_MEGABYTES * 1_000_000 + 1), status=413),
        Sample("tiny.png", tiny.getvalue(), status=422),
    ]


@contextlib.contextmanager
def server(workdir: str, *, port: int = 0, ends_well: bool = True) -> Iterator[tuple[str, int]]:
    """A server of its own on loopback: its address and process.

    Args:
        workdir: of the run; empty: the bundled detector.
        port: 0: any that is free.
        ends_well: whether an exit status other than 0 is an error.
    """
    command = [sys.executable, "main.py", "serve", *_detector(workdir), f"--port={port}"]
    command.append(f"--max_megabytes={MAX_MEGABYTES}")
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            found = re.search(r"http://\S+", line)
            if found is None:
                raise RuntimeError(f"the server did not start: {line!r}")
            yield found.group().rstrip("/"), process.pid
        finally:
            process.terminate()
            process.wait(60)
    if process.returncode and ends_well:
        raise RuntimeError(f"the server ended with status {process.returncode}")


class Memory(threading.Thread):
    """Reads the server's resident memory once a second."""

    def __init__(self, process: int) -> None:
        super().__init__(daemon=True)
        self._file = pathlib.Path(f"/proc/{process}/status")
        self._ended = threading.Event()
        self.megabytes: list[float] = []

    def run(self) -> None:
        """See ``threading.Thread``."""
        while not self._ended.wait(1):
            found = re.search(r"VmRSS:\s+(\d+) kB", self._file.read_text())
            self.megabytes.append(int(found.group(1)) / 1024 if found else 0.0)

    def end(self) -> None:
        """Reads no more."""
        self._ended.set()
        self.join()


async def client(
    address: str, number: int, until: float, good: list[Sample], bad: list[Sample], tally: Tally
) -> None:
    """Asks, one request after the other, until the time is over."""
    rng = np.random.default_rng(number + 1)
    small = [sample for sample in good if sample.small]
    async with httpx.AsyncClient(base_url=address, timeout=300, trust_env=False) as http:
        while time.monotonic() < until:
            draw = rng.random()
            query, chosen = "", [good[rng.integers(len(good))]]
            if draw < SHARE_BAD:
                chosen = [bad[rng.integers(len(bad))]]
            elif draw < SHARE_BAD + SHARE_SEVERAL:
                places = rng.integers(len(small), size=4)
                chosen = [small[p] for p in places] + [bad[0]]
            elif draw < SHARE_BAD + SHARE_SEVERAL + SHARE_DETAILED:
                query, chosen = "?delivery=1&evidence=1", [small[rng.integers(len(small))]]
            await ask(http, query, chosen, tally, until, rng)


async def ask(
    http: httpx.AsyncClient,
    query: str,
    chosen: list[Sample],
    tally: Tally,
    until: float,
    rng: np.random.Generator,
) -> None:
    """One request, repeated while the server is busy and there is time."""
    files = [("files", (sample.name, sample.data)) for sample in chosen]
    begun = time.monotonic()
    while True:
        started = time.monotonic()
        try:
            answer = await http.post(f"/api/v1/score{query}", files=files)
        except httpx.HTTPError as error:
            tally.wrong.append(f"{chosen[0].name}: {type(error).__name__}: {error}")
            return
        tally.statuses[answer.status_code] += 1
        if answer.status_code != BUSY:
            tally.latencies.append(time.monotonic() - started)
            tally.waits.append(time.monotonic() - begun)
            check(answer, chosen, tally)
            return
        wait = float(answer.headers["retry-after"]) * (1 + rng.random())
        if time.monotonic() + wait > until:
            return
        await asyncio.sleep(wait)


def check(answer: httpx.Response, chosen: list[Sample], tally: Tally) -> None:
    """Compares an answer with what it has to be."""
    expected = chosen[0].status if len(chosen) == 1 else OK
    if answer.status_code != expected:
        tally.wrong.append(f"{chosen[0].name}: status {answer.status_code}: {answer.text[:200]}")
        return
    if answer.status_code != OK:
        return
    for sample, result in zip(chosen, answer.json()["results"], strict=True):
        if sample.score is None or result["score"] is None:
            if result["status"] != sample.status:
                tally.wrong.append(f"{sample.name}: {result['error']}")
            continue
        tally.pictures += 1
        difference = abs(result["score"] - sample.score)
        tally.largest_difference = max(tally.largest_difference, difference)
        if difference > TOLERANCE:
            tally.wrong.append(f"{sample.name}: score {result['score']}, not {sample.score}")


def rest(address: str, memory: Memory) -> float:
    """Waits until nothing is worked on; returns the memory that the server then has."""
    with httpx.Client(base_url=address, timeout=60, trust_env=False) as http:
        while http.get("/health").json()["inside"]:
            time.sleep(0.5)
    first = len(memory.megabytes)
    time.sleep(SECONDS_OF_REST)
    while len(memory.megabytes) == first:  # nothing was read: the machine stood still
        time.sleep(0.5)
    return statistics.median(memory.megabytes[first:])


def measure(workdir: str, clients: int, seconds: float, pictures: int) -> dict[str, object]:
    """Runs the load; returns what was found as JSON values."""
    with tempfile.TemporaryDirectory(prefix="serve-load-") as name:
        folder = pathlib.Path(name) / "pictures"
        folder.mkdir()
        make_pictures(folder, pictures)
        good = predicted(workdir, folder, pathlib.Path(name) / "scores.csv")
    bad = bad_samples()
    tally = Tally()
    with server(workdir) as (address, process):
        memory = Memory(process)
        memory.start()

        async def everyone(first: int, duration: float) -> None:
            until = time.monotonic() + duration
            numbers = range(first, first + clients)
            await asyncio.gather(*(client(address, n, until, good, bad, tally) for n in numbers))

        started = time.monotonic()
        warm = min(WARM_SECONDS, seconds / 2)
        asyncio.run(everyone(0, warm))
        took = time.monotonic() - started
        early = rest(address, memory)
        started = time.monotonic()
        asyncio.run(everyone(clients, seconds - warm))
        took += time.monotonic() - started
        late = rest(address, memory)
        memory.end()
    ordered = sorted(tally.latencies)
    return {
        "clients": clients,
        "seconds": round(took, 1),
        "statuses": dict(sorted(tally.statuses.items())),
        "pictures scored": tally.pictures,
        "pictures per second": round(tally.pictures / took, 2),
        "median latency s": round(statistics.median(ordered), 2) if ordered else None,
        "95 % latency s": round(ordered[int(0.95 * len(ordered))], 2) if ordered else None,
        "largest difference of scores": tally.largest_difference,
        "memory MB at rest after the warm-up": round(early, 1),
        "memory MB at rest at the end": round(late, 1),
        "memory change": round(late / early - 1, 4) if early else None,
        "highest memory MB": round(max(memory.megabytes, default=0.0), 1),
        "wrong": tally.wrong[:20],
        "number wrong": len(tally.wrong),
    }


def main() -> int:
    """Reads the command line, runs the load and prints what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--workdir", default="", help="the run; empty: the detector of the package")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--pictures", type=int, default=300, help="different files")
    parser.add_argument("--output", default="", help="JSON file; empty: standard output only")
    given = parser.parse_args()
    found = measure(given.workdir, given.clients, given.seconds, given.pictures)
    for name, value in found.items():
        print(f"{name}: {value}")
    if given.output:
        pathlib.Path(given.output).write_text(json.dumps(found, indent=1) + "\n")
    change = found["memory change"]
    flat = isinstance(change, float) and abs(change) <= DRIFT
    return 0 if flat and not found["number wrong"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
