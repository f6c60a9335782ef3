"""Reading many image files over processes, in order; why one cannot be read is a result, too."""

import contextlib
import itertools
import multiprocessing
import os
import stat
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from input_pipeline.cores import available_cores
from input_pipeline.errors import UserError
from input_pipeline.images.problems import UnreadableImageError
from input_pipeline.images.transforms import MAX_PIXELS, decode
from input_pipeline.loading.parallel import ahead
from input_pipeline.loading.worker_processes import end_with_parent
from input_pipeline.prepare.folders import ImageFile

# Below this many files processes take longer to start than to help.
_PARALLEL_FROM_FILES = 64
_FILES_PER_TASK = 8
_TASKS_AHEAD = 3  # per process
Work = Callable[[ImageFile, bytes, np.ndarray], Any]
MapFiles = Callable[[Work, Iterable[ImageFile]], Iterator[Any]]


@contextlib.contextmanager
def file_pool(
    workers: int | None, files: int, max_pixels: int = MAX_PIXELS, *, kept: bool = False
) -> Iterator[MapFiles]:
    """Yields a function that maps work over files in order, in processes where that pays.

    For every file it gives work(file, bytes, pixels), or the reason, a str, of one that cannot be
    read or decoded. UserError for one that has been removed since it was listed: were it left out,
    a disk that goes away would make a data set of what was read before.

    Args:
      workers: processes; None takes one per core, 0 works in this one.
      files: how many there will be.
      max_pixels: largest image accepted, height * width.
      kept: whether what has been done is on disk and the same command goes on from there, which
        the error says where a process dies.
    """
    workers = available_cores() if workers is None else workers
    if workers < 2 or files < _PARALLEL_FROM_FILES:
        yield lambda work, files: (_read_one(work, max_pixels, file) for file in files)
        return
    # Not forked: the caller may run threads, JAX's among them.
    spawn = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(workers, mp_context=spawn, initializer=_begin_work)
    try:
        yield partial(_map_ahead, executor, workers * _TASKS_AHEAD, max_pixels)
    except BrokenProcessPool as error:
        raise UserError(
            "a decoding process died, most likely for want of memory. Give the same command more "
            "memory, or fewer cores (it starts a process on each), as `taskset --cpu-list 0` does"
            + ("; it goes on from what is converted." if kept else ".")
        ) from error
    finally:
        executor.shutdown(cancel_futures=True)


def _map_ahead(
    executor: Executor, tasks: int, max_pixels: int, work: Work, files: Iterable[ImageFile]
) -> Iterator[Any]:
    remaining = iter(files)
    chunks = iter(lambda: list(itertools.islice(remaining, _FILES_PER_TASK)), [])
    begun = (executor.submit(_read_chunk, work, max_pixels, chunk) for chunk in chunks)
    for results in ahead(begun, tasks):
        yield from results.result()


def _begin_work() -> None:
    # What Pillow remarks on metadata of damaged files is no verdict on their pixels.
    warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
    end_with_parent()


def _read_chunk(work: Work, max_pixels: int, files: list[ImageFile]) -> list[Any]:
    return [_read_one(work, max_pixels, file) for file in files]


def _read_one(work: Work, max_pixels: int, file: ImageFile) -> Any:
    try:
        if not stat.S_ISREG(os.stat(file.path).st_mode):  # a pipe would keep its reader waiting
            return "cannot be read: not a regular file"
        data = Path(file.path).read_bytes()
    except OSError as error:
        if _is_gone(file.path):
            raise UserError(
                f"{file.path} is gone since the folders were listed. Put it back, and give the "
                "same command again."
            ) from error
        return f"cannot be read: {error.strerror or error}"
    try:
        return work(file, data, decode(data, max_pixels=max_pixels))
    except UnreadableImageError as error:
        return str(error)


def _is_gone(path: str) -> bool:
    """Whether there is nothing of that name, not even a link that leads nowhere."""
    try:
        os.lstat(path)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False
