"""Reading many image files over processes, in order; why one cannot be read is a result, too."""

import collections
import itertools
import multiprocessing
import multiprocessing.connection
import os
import stat
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TypeVar

import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.images.transforms import MAX_PIXELS, UnreadableImageError, decode
from input_pipeline.loading.parallel import available_cores
from input_pipeline.prepare.folders import ImageFile

# Below this many files a pool takes longer to start than to help.
_POOL_FROM_FILES = 64
_FILES_PER_TASK = 8
_TASKS_AHEAD = 3  # per process
_Result = TypeVar("_Result")
_Work = Callable[[ImageFile, bytes, np.ndarray], _Result]


class FilePool:
    """Maps a function over many files in order, over processes where that pays."""

    def __init__(self, workers: int | None, files: int, max_pixels: int = MAX_PIXELS) -> None:
        """Args:
        workers: processes; None takes one per core, 0 works in this one.
        files: how many there will be.
        max_pixels: largest image accepted, height * width.
        """
        self._max_pixels = max_pixels
        if workers is None:
            workers = available_cores()
        self._workers = workers if workers > 1 and files >= _POOL_FROM_FILES else 0
        self._executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> "FilePool":
        if self._workers:
            # Not forked: the caller may run threads, JAX's among them.
            self._executor = ProcessPoolExecutor(
                self._workers,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_begin_work,
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)

    def map(self, work: _Work[_Result], files: Iterable[ImageFile]) -> Iterator[_Result | str]:
        """Yields work(file, bytes, pixels) for every file in order, a few tasks ahead of it.

        Of a file that cannot be read or decoded it yields the reason.
        """
        if self._executor is None:
            for file in files:
                yield from _read_chunk(work, self._max_pixels, [file])
            return
        try:
            yield from self._map_ahead(self._executor, work, iter(files))
        except BrokenProcessPool as error:
            raise UserError(
                "a decoding process died, most likely for want of memory. What is converted is "
                "kept: the same command goes on, with more memory or a smaller max_pixels."
            ) from error

    def _map_ahead(
        self,
        executor: ProcessPoolExecutor,
        work: _Work[_Result],
        remaining: Iterator[ImageFile],
    ) -> Iterator[_Result | str]:
        pending: collections.deque[Future] = collections.deque()
        while True:
            while len(pending) < _TASKS_AHEAD * self._workers:
                chunk = list(itertools.islice(remaining, _FILES_PER_TASK))
                if not chunk:
                    break
                pending.append(executor.submit(_read_chunk, work, self._max_pixels, chunk))
            if not pending:
                return
            yield from pending.popleft().result()


def _begin_work() -> None:
    _end_with_parent()
    # What Pillow remarks on metadata of damaged files is no verdict on their pixels.
    warnings.filterwarnings("ignore", category=UserWarning, module="PIL")


def _end_with_parent() -> None:
    """Ends this process when its parent is killed; else it would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _read_chunk(
    work: _Work[_Result], max_pixels: int, files: list[ImageFile]
) -> list[_Result | str]:
    results: list[_Result | str] = []
    for file in files:
        try:
            data = _read(file.path)
            results.append(work(file, data, decode(data, max_pixels=max_pixels)))
        except UnreadableImageError as error:
            results.append(str(error))
    return results


def _read(path: str) -> bytes:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would keep its reader waiting
            raise UnreadableImageError("cannot be read: not a regular file")
        return Path(path).read_bytes()
    except OSError as error:
        raise UnreadableImageError(f"cannot be read: {error.strerror or error}") from error
