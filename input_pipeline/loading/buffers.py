"""Memory of batches, used again once nobody holds them.

Fresh memory is zeroed by the kernel page by page before a batch is read into it, which costs more
than reading the batch. So buffers are kept, and one is handed out again when its reference count
says that neither the array nor any view of it exists elsewhere: NumPy views, JAX arrays on the CPU
that share the memory, and transfers under way each hold a reference.
"""

import sys
import threading
from typing import Any

import numpy as np


class BatchBuffers:
    """Hands out uint8 arrays of one shape at a time; safe to use from several threads."""

    def __init__(self, limit: int = 32) -> None:
        """Keeps at most `limit` buffers; beyond that, batches get memory of their own."""
        self._limit = limit
        self._kept: list[np.ndarray] = []
        self._lock = threading.Lock()
        self._unused = _references([np.empty(1, np.uint8)], 0)

    def take(self, shape: tuple[int, ...]) -> np.ndarray:
        """Returns an array of this shape that nobody else holds; its content is arbitrary."""
        with self._lock:
            self._kept = [buffer for buffer in self._kept if buffer.shape == shape]
            for place in range(len(self._kept)):
                if _references(self._kept, place) == self._unused:
                    return self._kept[place]
            buffer = np.empty(shape, np.uint8)
            if len(self._kept) < self._limit:
                self._kept.append(buffer)
            return buffer

    def __getstate__(self) -> dict[str, Any]:
        return {"limit": self._limit}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]


def _references(kept: list[np.ndarray], place: int) -> int:
    """Counts references to an array of a list; the same function counts those of an unused one."""
    return sys.getrefcount(kept[place])
