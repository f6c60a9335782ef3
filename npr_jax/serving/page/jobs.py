"""What each visitor has running on the page, so that it can be stopped."""

import contextlib
import threading
from collections.abc import Iterator


class Stop(threading.Event):
    """Set when a job shall stop; ``replaced`` where that is because another took its place."""

    def __init__(self) -> None:
        super().__init__()
        self.replaced = False


class Jobs:
    """Thread-safe; at most one job for each visitor and part of the page."""

    def __init__(self) -> None:
        self._running: dict[tuple[str, str], Stop] = {}
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def begin(self, visitor: str, part: str) -> Iterator[Stop]:
        """A job, while the body lasts; an earlier one of the same part is stopped.

        Yields:
            what is set when the job shall stop.
        """
        mine = Stop()
        with self._lock:
            earlier = self._running.get((visitor, part))
            self._running[visitor, part] = mine
        if earlier:
            earlier.replaced = True
            earlier.set()
        try:
            yield mine
        finally:
            with self._lock:
                if self._running.get((visitor, part)) is mine:
                    del self._running[visitor, part]

    def stop(self, visitor: str, part: str = "") -> None:
        """Stops a visitor's job of a part, or all of them."""
        with self._lock:
            chosen = [
                event
                for (who, what), event in self._running.items()
                if who == visitor and part in ("", what)
            ]
        for event in chosen:
            event.set()
