"""Rows/s and the driver's memory of ``predict --engine=ray`` with a scorer that takes no time.

    python -m benchmarks.ray_scale --rows=1000000

What is measured is all but the network and the pictures: the list and its check for duplicates,
Ray's blocks and checkpoints, the Parquet files, and the count at the end. ``--list_only`` stops
after the list.
"""

import argparse
import pathlib
import tempfile
import threading
import time
from collections.abc import Iterator

import psutil

from benchmarks.simulated_scorer import SimulatedScorer, write_table
from npr_jax.cluster import predict
from npr_jax.cluster.manifest import write_manifest
from npr_jax.cluster.places import place_of
from npr_jax.cluster.session import import_ray, session
from npr_jax.cluster.sources import tables_of


class Memory:
    """The largest resident size of this process, looked at every tenth of a second."""

    def __init__(self) -> None:
        self._largest = 0
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        process = psutil.Process()
        while True:
            self._largest = max(self._largest, process.memory_info().rss)
            time.sleep(0.1)

    def largest(self) -> float:
        """In MB, since it was asked last."""
        time.sleep(0.2)
        largest, self._largest = self._largest, 0
        return largest / 1e6


def size_of(folder: pathlib.Path) -> Iterator[int]:
    """Bytes of each file below."""
    return (file.stat().st_size for file in folder.rglob("*") if file.is_file())


def main() -> None:
    """Prints what each part took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--block_rows", type=int, default=10_000)
    parser.add_argument("--address", default="", help="of a cluster; Ray is started without it")
    parser.add_argument("--list_only", action="store_true")
    options = parser.parse_args()
    rows = options.rows
    import_ray()
    with tempfile.TemporaryDirectory() as scratch:
        root, memory = pathlib.Path(scratch), Memory()
        write_table(root / "pictures.parquet", rows)
        print(f"{rows} rows; the driver has {memory.largest():.0f} MB before")
        names = [str(root / "pictures.parquet")]
        start = time.monotonic()
        write_manifest(tables_of(names), place_of(str(root / "list")))
        seconds = time.monotonic() - start
        print(
            f"list and check: {rows / seconds:.0f} rows/s, {memory.largest():.0f} MB, "
            f"{sum(size_of(root / 'list')) / rows:.1f} bytes a row"
        )
        if options.list_only:
            return
        with session(import_ray(), options.address):
            start = time.monotonic()
            predict.predict_on_ray(
                SimulatedScorer(),  # type: ignore[arg-type]  # all that is asked of a detector
                names,
                str(root / "scores"),
                block_rows=options.block_rows,
            )
            seconds = time.monotonic() - start
        results = list(size_of(root / "scores"))
        print(
            f"all of it: {rows / seconds:.0f} rows/s, {memory.largest():.0f} MB, "
            f"{sum(results) / rows:.1f} bytes a row in {len(results)} files"
        )


if __name__ == "__main__":
    main()
