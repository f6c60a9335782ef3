"""Reading ahead: in threads of this process, or in worker processes."""

import collections
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import grain
from absl import flags

from input_pipeline.cores import available_cores
from input_pipeline.errors import UserError
from input_pipeline.loading.shared_batches import PLACES, Hander
from input_pipeline.loading.worker_processes import end_with_parent

# Below this, arrays from worker processes go through pipes, which hold 64 kB.
_SMALL = 4096  # bytes
# Each makes an element of its own, so there are as many in memory; and beyond this, threads mostly
# wait for the interpreter's lock, which copying records and reading headers need.
MOST_THREADS = 16
_SHARED_MEMORY = Path("/dev/shm")
_Item = TypeVar("_Item")


def ahead(items: Iterable[_Item], number: int) -> Iterator[_Item]:
    """Yields the items in order, each drawn that many before its use, so that processes stay busy.

    The items are work that other processes have begun when they are drawn.
    """
    waiting: collections.deque[_Item] = collections.deque()
    for item in items:
        waiting.append(item)
        if len(waiting) > number:
            yield waiting.popleft()
    yield from waiting


def read_ahead(
    elements: grain.MapDataset,
    workers: int,
    prefetch: int,
    *,
    shared_memory: bool,
    most_threads: int = MOST_THREADS,
) -> grain.IterDataset:
    """Returns the elements in order, made ahead of their use.

    Args:
      elements: what to make.
      workers: worker processes; 0 uses threads of this process.
      prefetch: elements held ready per reading process, at least one per thread (and there is one
        per core, up to `most_threads`); 0 makes each when it is asked for.
      shared_memory: elements are batches, which workers hand over in shared memory, see
        `shared_batches.Taker`; it must hold a few of each. Else they go through pipes, which take
        any size, but an iterator that is closed with elements under way then waits half a minute
        for its workers.
      most_threads: threads of one process, if it has so many cores.
    """
    cores = max(1, available_cores() // max(workers, 1))
    threads = min(cores, most_threads) if prefetch else 0
    options = grain.ReadOptions(num_threads=threads, prefetch_buffer_size=max(prefetch, threads))
    if workers == 0:
        return elements.to_iter_dataset(options)
    if not flags.FLAGS.is_parsed():
        # Grain's worker processes read absl flags; outside of app.run they have their defaults.
        flags.FLAGS.mark_as_parsed()
    made = elements.to_iter_dataset(options)
    if shared_memory:
        made = made.map(Hander())
    parallel = made.mp_prefetch(
        grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=1),
        worker_init_fn=_begin_work,
    )
    return grain.experimental.WithOptionsIterDataset(
        parallel,
        grain.experimental.DatasetOptions(min_shm_size=_SMALL if shared_memory else 2**62),
    )


def _begin_work(number: int, workers: int) -> None:
    end_with_parent()


def check_shared_memory(workers: int, element_bytes: int) -> None:
    """Raises ValueError where shared memory is too small for workers, which would kill the process.

    `element_bytes` is the size of one element that they hand over.
    """
    if not workers or not _SHARED_MEMORY.is_dir():
        return
    usage = os.statvfs(_SHARED_MEMORY)
    free, needed = usage.f_bavail * usage.f_frsize, workers * (PLACES + 1) * element_bytes
    if needed > free:
        raise UserError(
            f"{workers} worker processes need about {needed / 1e6:.0f} MB of shared memory, "
            f"{_SHARED_MEMORY} has {free / 1e6:.0f} MB. Use data.workers=0 or smaller batches, or "
            "give the container more (docker run --shm-size=1g)."
        )
