"""Work on many image files over processes, in order."""

import collections
import itertools
import multiprocessing
import multiprocessing.connection
import os
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from input_pipeline.errors import UserError
from input_pipeline.loading.parallel import available_cores
from input_pipeline.prepare.folders import ImageFile

# Below this many files a pool takes longer to start than to help.
_POOL_FROM_FILES = 64
_FILES_PER_TASK = 8
_TASKS_AHEAD = 3  # per process
_Result = TypeVar("_Result")


class FilePool:
    """Maps a function over many files in order, over processes where that pays."""

    def __init__(self, workers: int | None, files: int) -> None:
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

    def map(
        self, work: Callable[[ImageFile], _Result], files: Iterable[ImageFile]
    ) -> Iterator[_Result]:
        """Yields work(file) for every file in order, a few tasks ahead of the reader."""
        if self._executor is None:
            yield from map(work, files)
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
        work: Callable[[ImageFile], _Result],
        remaining: Iterator[ImageFile],
    ) -> Iterator[_Result]:
        pending: collections.deque[Future] = collections.deque()
        while True:
            while len(pending) < _TASKS_AHEAD * self._workers:
                chunk = list(itertools.islice(remaining, _FILES_PER_TASK))
                if not chunk:
                    break
                pending.append(executor.submit(_read_chunk, work, chunk))
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


def _read_chunk(work: Callable[[ImageFile], _Result], files: list[ImageFile]) -> list[_Result]:
    return [work(file) for file in files]
