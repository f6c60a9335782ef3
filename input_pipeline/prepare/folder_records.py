"""Image files to records: every file is decoded once, over processes, and kept or reported."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from input_pipeline.errors import UserError
from input_pipeline.images.transforms import UnreadableImageError, decode, squash
from input_pipeline.prepare.file_pool import FilePool
from input_pipeline.prepare.folders import ImageFile
from input_pipeline.storage.records import ImageRecord
from input_pipeline.storage.shard_writer import Skipped


@dataclass
class FolderRecords:
    """Makes records of files, and remembers which of them it could not read.

    Attributes:
      total: files of all splits.
      storage: 'encoded' or 'decoded'.
      image_size: edge in pixels of decoded images; 0: their own size.
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
    unreadable: list[Skipped] = field(default_factory=list)
    seen: int = 0

    def items(self, files: list[ImageFile], pool: FilePool) -> Iterator[ImageRecord | Skipped]:
        """Yields a record for every file in order, or why there is none.

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
                self.unreadable.append(Skipped(file.filename, result))
                self._stop_if_too_many()
                yield self.unreadable[-1]

    def resume(self, seen: int, unreadable: Iterable[Skipped]) -> None:
        """Counts what an earlier run has done."""
        self.seen += seen
        self.unreadable += unreadable
        if seen and self.progress is not None:
            self.progress(self.seen, self.total)

    def _stop_if_too_many(self) -> None:
        bad = len(self.unreadable)
        if bad > self.max_bad_fraction * self.total:
            examples = "\n".join(f"  {path}: {reason}" for path, reason in self.unreadable[:5])
            raise UserError(
                f"stopped: at least {bad} of {self.total} files are unreadable, more than the "
                f"allowed share of {self.max_bad_fraction}. The first are\n{examples}\nRemove or "
                "replace such files, or raise --max_bad_fraction; the same command then goes on."
            )


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
        pixels = squash(pixels, image_size) if image_size else pixels
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
