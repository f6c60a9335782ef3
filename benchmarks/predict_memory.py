"""Does the memory of `predict` grow with the number of files?

    python benchmarks/predict_memory.py [--rows=1000,200000]

Scores so many files with a simulated detector, to which one in ten is broken, and says the peak of
the process's memory and the rows per second. Listing, order and table are those of `predict`; no
file is opened. There are 1,000 empty files, in a folder to which others link. Each count has a
process of its own, forked from one that has imported everything. Ends with status 1 where the
peaks differ by more than 50 MB. Linux alone.
"""

from __future__ import annotations

import argparse
import functools
import os
import pathlib
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from npr_jax.cli.predict import predict_files  # noqa: E402
from npr_jax.inference.file_stream import in_order  # noqa: E402
from npr_jax.inference.scorer import Scored  # noqa: E402
from npr_jax.inference.verdict import ImageScore, score_of  # noqa: E402

ALLOWED_MB = 50
BROKEN = "7.png"  # the end of these files' names
PIXELS = np.zeros((1, 1, 3), np.uint8)
FILES_PER_FOLDER = 1000
HELD_BACK = 64  # results that wait for others, as a batch does


class Simulated:
    """Takes no time, and answers out of order."""

    source, preprocessing_in_words, calibration_in_words, members = "simulated", "", "", ()
    engine = "none"

    def iter_scores(
        self, paths: Iterable[str], *, confidence: float | None = None
    ) -> Iterator[ImageScore]:
        """As of a `Detector`."""
        outcomes = ((path, "broken" if path.endswith(BROKEN) else PIXELS) for path in paths)
        judge = functools.partial(self._judge, confidence=confidence)
        return in_order(outcomes, self._score, judge)

    def _score(self, images: Iterator[np.ndarray | None]) -> Iterator[Scored | None]:
        held: list[Scored] = []
        position = 0
        for image in images:
            if image is not None:
                held.append(Scored(position, 1.0, None))
                position += 1
            if len(held) == HELD_BACK:
                yield from reversed(held)
                held = []
            yield None
        yield from held

    def _judge(self, name: str, scored: Scored, *, confidence: float | None) -> ImageScore:
        return score_of(name, scored.logit, confidence)


def write_files(folder: pathlib.Path, count: int) -> None:
    """So many paths, a multiple of a thousand."""
    first = folder / "000000"
    first.mkdir(parents=True)
    for number in range(FILES_PER_FOLDER):
        (first / f"picture-{number:03d}.png").touch()
    for number in range(1, count // FILES_PER_FOLDER):
        (folder / f"{number:06d}").symlink_to(first)


def peak_mb() -> float:
    """The most memory that this process has had, in megabytes."""
    [line] = [x for x in pathlib.Path("/proc/self/status").read_text().splitlines() if "VmHWM" in x]
    return int(line.split()[1]) / 1024


def measure(count: int) -> tuple[float, float]:
    """Peak in megabytes and rows per second, of a process of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, output = pathlib.Path(scratch, "in"), pathlib.Path(scratch, "t.csv")
        write_files(folder, count)
        ours, theirs = os.pipe()
        child = os.fork()
        if not child:
            begun = time.monotonic()
            predict_files(Simulated(), [str(folder)], str(output), confidence=None)  # type: ignore[arg-type]
            rate = count / (time.monotonic() - begun)
            os.write(theirs, f"{peak_mb()} {rate}".encode())
            os._exit(0)
        os.close(theirs)
        os.waitpid(child, 0)
        with os.fdopen(ours) as answer:
            peak, rate = map(float, answer.read().split())
        with open(output, "rb") as table:
            rows = sum(1 for _ in table) - 1
        if rows != count:
            raise SystemExit(f"{rows} rows of {count} files")
    return peak, rate


def main() -> int:
    """Measures and prints each count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default="1000,200000")
    counts = [int(count) for count in parser.parse_args().rows.split(",")]
    peaks = []
    for count in counts:
        peak, rate = measure(count)
        peaks.append(peak)
        print(f"{count:,} rows: peak {peak:.0f} MB, {rate:,.0f} rows/s", flush=True)
    return 0 if max(peaks) - min(peaks) <= ALLOWED_MB else 1


if __name__ == "__main__":
    sys.exit(main())
