"""Image files to records: every file is decoded once, over processes, and kept or reported."""

import collections
import hashlib
import itertools
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from input_pipeline.folders import ImageFile
from input_pipeline.records import ImageRecord
from input_pipeline.transforms import UnreadableImageError, decode, squash

# Below this many files a pool takes longer to start than to help.
_POOL_FROM_FILES = 64
_FILES_PER_TASK = 8


@dataclass
class FolderRecords:
    """Makes records of files, and remembers which of them it could not read.

    Attributes:
      total: files of all splits.
      storage: 'encoded' or 'decoded'.
      image_size: edge in pixels of decoded images.
      max_pixels: largest image accepted, height * width.
      max_bad_fraction: share of `total` that may be unreadable.
      progress: called with the files seen and their total after each file.
      unreadable: (path, reason) so far.
      seen: files so far.
    """

    total: int
    storage: str
    image_size: int
    max_pixels: int
    max_bad_fraction: float
    progress: Callable[[int, int], None] | None = None
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    seen: int = 0

    def records(self, files: list[ImageFile], pool: "DecodingPool") -> Iterator[ImageRecord]:
        """Yields the records of files in order.

        Raises:
          ValueError: more than the allowed share of all files is unreadable.
        """
        work = partial(_read, self.storage, self.image_size, self.max_pixels)
        for file, result in zip(files, pool.map(work, files), strict=True):
            self.seen += 1
            if self.progress is not None:
                self.progress(self.seen, self.total)
            if isinstance(result, ImageRecord):
                yield result
            else:
                self.unreadable.append((file.filename, result))
                self._stop_if_too_many()

    def _stop_if_too_many(self) -> None:
        bad = len(self.unreadable)
        if bad > self.max_bad_fraction * self.total:
            examples = "\n".join(f"  {path}: {reason}" for path, reason in self.unreadable[:5])
            raise ValueError(
                f"stopped: at least {bad} of {self.total} files are unreadable, more than the "
                f"allowed share of {self.max_bad_fraction}. The first are\n{examples}\nRemove or "
                "replace such files, or raise --max_bad_fraction. Nothing was written."
            )


class DecodingPool:
    """Maps a function over many files in order, over processes where that pays."""

    def __init__(self, workers: int | None, files: int) -> None:
        if workers is None:
            workers = os.cpu_count() or 1
        self._workers = workers if workers > 1 and files >= _POOL_FROM_FILES else 0
        self._executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> "DecodingPool":
        if self._workers:
            # Not forked: the caller may run threads, JAX's among them.
            self._executor = ProcessPoolExecutor(
                self._workers, mp_context=multiprocessing.get_context("spawn")
            )
        return self

    def __exit__(self, *_: object) -> None:
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)

    def map(self, work: partial, files: Iterable[ImageFile]) -> Iterator[ImageRecord | str]:
        """Yields work(file) for every file in order, a few tasks ahead of the reader."""
        if self._executor is None:
            yield from map(work, files)
            return
        remaining = iter(files)
        pending: collections.deque[Future] = collections.deque()
        while True:
            while len(pending) < 3 * self._workers:
                chunk = list(itertools.islice(remaining, _FILES_PER_TASK))
                if not chunk:
                    break
                pending.append(self._executor.submit(_read_chunk, work, chunk))
            if not pending:
                return
            try:
                yield from pending.popleft().result()
            except BrokenProcessPool as error:
                raise ValueError(
                    "a decoding process died, most likely for want of memory: prepare with fewer "
                    "workers or a smaller max_pixels."
                ) from error


def _read_chunk(work: partial, files: list[ImageFile]) -> list[ImageRecord | str]:
    return [work(file) for file in files]


def _read(storage: str, image_size: int, max_pixels: int, file: ImageFile) -> ImageRecord | str:
    """Returns the record of a file, or the reason why there is none."""
    try:
        data = Path(file.path).read_bytes()
        pixels = decode(data, max_pixels=max_pixels)
    except UnreadableImageError as error:
        return str(error)
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    digest = hashlib.sha256(data).hexdigest()
    if storage == "decoded":
        pixels = squash(pixels, image_size)
        data = pixels.tobytes()
    height, width = pixels.shape[:2]
    return ImageRecord(
        image=data,
        storage=storage,
        height=height,
        width=width,
        label=file.label,
        generator=file.generator,
        filename=file.filename,
        class_name=file.class_name,
        sha256=digest,
    )
