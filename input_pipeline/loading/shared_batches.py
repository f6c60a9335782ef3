"""Batches from worker processes through shared memory that is used again and again.

New pages of shared memory are filled with zeros when they are first touched, in every process that
touches them: for a batch of 6 MB that takes as long as decoding its images. So every worker has a
few places for batches, and a place is free again once its batch has been copied out.
"""

import contextlib
import dataclasses
import multiprocessing.util
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np

# One is being written, one waits in the worker's queue, one in this process, one is copied out.
PLACES = 4
_FIRST = 64  # bytes in front of the first place, see `_taken`


@dataclasses.dataclass(frozen=True)
class Place:
    """Where an array lies, for the process that takes it."""

    memory: str  # name of the shared memory
    number: int
    shape: tuple[int, ...]
    dtype: str


class Hander:
    """Puts the images of batches into shared memory, in a worker process."""

    def __init__(self) -> None:
        self._memory: SharedMemory | None = None  # each process makes its own
        self._turn = 0

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Returns the batch with a `Place` instead of its images; as it is if no place fits it."""
        images = batch["image"]
        if self._memory is None:
            self._memory = SharedMemory(create=True, size=_FIRST + PLACES * images.nbytes)
            multiprocessing.util.Finalize(self, _remove, [self._memory], exitpriority=0)
        place = Place(self._memory.name, self._turn % PLACES, images.shape, images.dtype.str)
        if _taken(self._memory)[place.number] or images.nbytes > _room(self._memory):
            return batch
        _array_at(place, self._memory)[...] = images
        _taken(self._memory)[place.number] = 1
        self._turn += 1
        return batch | {"image": place}


class Taker:
    """Takes batches out of the shared memory that workers put them into."""

    def __init__(self) -> None:
        self._memories: dict[str, SharedMemory] = {}

    def __call__(self, batch: dict[str, Any]) -> dict[str, np.ndarray]:
        """Returns a batch in memory of its own; where it lay is free for the next."""
        return {key: self._copy(value) for key, value in batch.items()}

    def close(self) -> None:
        """Gives all shared memory back."""
        for memory in self._memories.values():
            memory.close()
        self._memories.clear()

    def _copy(self, value: Any) -> np.ndarray:
        if not isinstance(value, Place):
            return np.array(value)
        if value.memory not in self._memories:
            self._memories[value.memory] = memory = SharedMemory(value.memory)
            # Without a name it goes away with the processes that use it, whatever ends them.
            memory.unlink()
        memory = self._memories[value.memory]
        copy = np.array(_array_at(value, memory))
        _taken(memory)[value.number] = 0
        return copy


def _room(memory: SharedMemory) -> int:
    """Bytes of a place."""
    return (memory.size - _FIRST) // PLACES


def _taken(memory: SharedMemory) -> np.ndarray:
    """Returns uint8 [PLACES]: 1 where a place holds a batch."""
    return np.ndarray(PLACES, np.uint8, memory.buf)


def _array_at(place: Place, memory: SharedMemory) -> np.ndarray:
    begin = _FIRST + place.number * _room(memory)
    return np.ndarray(place.shape, place.dtype, memory.buf, begin)


def _remove(memory: SharedMemory) -> None:
    with contextlib.suppress(FileNotFoundError):  # it was taken, see `Taker`
        memory.unlink()
