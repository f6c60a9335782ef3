"""Files that the page has sent and not yet had examined: in a private folder, taken once.

A file lies under a random name that only its sender knows, is deleted the moment it is taken, and
otherwise after a while. Nothing of it is ever served.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import secrets
import tempfile
import threading
import time
from collections.abc import Generator, Iterator, Sequence

from npr_jax.serving.limits import CONTENT_TOO_LARGE, MEGA, Busy, Limits, Refused
from npr_jax.serving.uploads import base_name

KEPT_SECONDS = 1800.0  # two hundred photographs over a slow line take their time
# Senders whose whole batches may wait at once.
_BATCHES = 4
_MIN_FILES = 10  # of a batch: what one tab of the page takes


@dataclasses.dataclass(frozen=True)
class _Kept:
    name: str
    path: pathlib.Path
    num_bytes: int
    since: float


class PendingFiles:
    """Thread-safe; its folder is deleted with it."""

    def __init__(self, limits: Limits, *, kept_seconds: float = KEPT_SECONDS) -> None:
        self._limits = limits
        self._kept_seconds = kept_seconds
        self._folder = tempfile.TemporaryDirectory(prefix="npr-serve-")  # for its owner only
        self._kept: dict[str, _Kept] = {}
        self._open_bytes = 0
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    @property
    def folder(self) -> pathlib.Path:
        """The private folder."""
        return pathlib.Path(self._folder.name)

    @contextlib.contextmanager
    def writer(self, name: str) -> Iterator[Writer]:
        """Takes in one file; if the body raises, nothing of it is left.

        Raises:
            Busy: as many files wait as there is room for.
        """
        self._sweep()
        if len(self._kept) >= _BATCHES * max(self._limits.max_files, _MIN_FILES):
            raise Busy  # empty files would take no room, and no end
        path, shown = self.folder / secrets.token_hex(16), base_name(name)
        limits, is_zip = self._limits, shown.lower().endswith(".zip")
        largest = limits.max_zip_bytes if is_zip else limits.max_bytes
        writer = Writer(self, shown, path, largest)
        try:
            with contextlib.closing(writer):
                yield writer
        except BaseException:
            path.unlink(missing_ok=True)
            with self._lock:
                self._open_bytes -= writer.num_bytes
            raise
        with self._lock:
            self._open_bytes -= writer.num_bytes
            self._kept[path.name] = _Kept(shown, path, writer.num_bytes, time.monotonic())
            self._wait_for_the_oldest()

    def reserve(self, num_bytes: int) -> None:
        """Room for so many bytes more of a file that is being written; raises ``Busy``."""
        room = _BATCHES * max(self._limits.max_zip_bytes, self._limits.max_bytes)
        with self._lock:
            waiting = sum(kept.num_bytes for kept in self._kept.values())
            if waiting + self._open_bytes + num_bytes > room:
                raise Busy
            self._open_bytes += num_bytes

    def take(self, tokens: Sequence[str]) -> Generator[tuple[str, bytes]]:
        """Names and contents of files, each deleted as it is read.

        Those not come to are deleted when the iterator is closed or ends.

        Raises:
            Refused: there is no file of that token (any more).
        """
        with self._lock:
            if len(set(tokens)) < len(tokens) or not self._kept.keys() >= set(tokens):
                raise Refused(
                    "The pictures have waited too long on the server and were deleted. Please "
                    "choose them again."
                )
            mine = [self._kept.pop(token) for token in tokens]
        try:
            for kept in mine:
                data = kept.path.read_bytes()
                kept.path.unlink(missing_ok=True)
                yield kept.name, data
        finally:
            for kept in mine:
                kept.path.unlink(missing_ok=True)

    def tail(self, token: str, num_bytes: int) -> bytes:
        """The last bytes of a file that waits; none where there is no such file."""
        with self._lock:
            kept = self._kept.get(token)
        if kept is None:
            return b""
        try:
            with kept.path.open("rb") as file:
                file.seek(max(0, kept.num_bytes - num_bytes))
                return file.read(num_bytes)
        except FileNotFoundError:  # taken, or too old, this moment
            return b""

    def forget(self, token: str) -> None:
        """Deletes a file that its sender does not want examined any more."""
        with self._lock:
            kept = self._kept.pop(token, None)
        if kept:
            kept.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Deletes the folder and all in it."""
        with self._lock:
            if self._timer:
                self._timer.cancel()
        self._folder.cleanup()

    def _sweep(self) -> None:
        now = time.monotonic()
        with self._lock:
            old = [t for t, k in self._kept.items() if now - k.since > self._kept_seconds]
            gone = [self._kept.pop(token) for token in old]
            self._wait_for_the_oldest()
        for kept in gone:
            kept.path.unlink(missing_ok=True)

    def _wait_for_the_oldest(self) -> None:
        """Sweeps when the oldest file's time is up, whether anybody sends another or not."""
        if self._timer or not self._kept:
            return
        age = time.monotonic() - min(kept.since for kept in self._kept.values())
        self._timer = threading.Timer(max(0.1, self._kept_seconds - age), self._time_is_up)
        self._timer.daemon = True
        self._timer.start()

    def _time_is_up(self) -> None:
        with self._lock:
            self._timer = None
        self._sweep()


class Writer:
    """One file on its way in."""

    def __init__(self, pending: PendingFiles, name: str, path: pathlib.Path, limit: int) -> None:
        self._pending = pending
        self._name = name
        self._limit = limit
        # Never an existing file, never through a link, readable by the server's owner only.
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        self._file = os.fdopen(os.open(path, flags, 0o600), "wb")
        self.token = path.name
        self.num_bytes = 0

    def write(self, chunk: bytes) -> None:
        """Adds bytes; raises ``Refused`` for a file too large, ``Busy`` where there is no room."""
        if self.num_bytes + len(chunk) > self._limit:
            most = f"the {self._limit / MEGA:g} MB that one file may have here"
            raise Refused(f"{self._name} is larger than {most}.", CONTENT_TOO_LARGE)
        self._pending.reserve(len(chunk))
        self.num_bytes += len(chunk)
        self._file.write(chunk)

    def close(self) -> None:
        """Ends the file."""
        self._file.close()
