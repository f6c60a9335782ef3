"""Which records make up an epoch, in which order, and which of them a batch takes.

An epoch draws a fixed number of records of each group. A group is drawn from as one draws cards: it
is shuffled, dealt to the end over as many epochs as that takes, and shuffled again. All that an
epoch has drawn is then put in random order.
"""

import itertools
import math
from typing import Any

import grain
import numpy as np

from input_pipeline.images.augmentations import derive_seed
from input_pipeline.loading.sampling import Groups

_SHUFFLE_STREAM = 1  # see derive_seed


def steps_per_epoch(num_examples: int, batch_size: int) -> int:
    """Returns the batches of one epoch, the last partial one included."""
    return math.ceil(num_examples / batch_size)


class EpochBatches(grain.MapDataset):
    """Batch number -> (positions, record numbers), int64 [b] each; record -1 is a blank row.

    Batches of one epoch stay within it, and every process gets as many as the others, which grain's
    own `shuffle` and `batch` in a row do not give for a last partial batch.
    """

    def __init__(
        self, groups: Groups, seed: int, batch_size: int, process_index: int, process_count: int
    ) -> None:
        super().__init__()
        self._groups = groups
        self._examples = groups.images_per_epoch
        self._key = derive_seed(seed, _SHUFFLE_STREAM)
        self._batch_size = batch_size
        self._process = process_index
        self._processes = process_count
        self._last_order: tuple[int, np.ndarray] | None = None

    def __len__(self) -> int:
        return steps_per_epoch(self._examples, self._batch_size)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self.slice(index)
        epoch, batch = divmod(index, len(self))
        begin = batch * self._batch_size
        own = self._batch_size // self._processes
        places = np.arange(own) + begin + self._process * own
        records = np.full(len(places), -1)
        real = places < self._examples
        records[real] = self._order(epoch)[places[real]]
        return places + epoch * len(self) * self._batch_size, records

    def _order(self, epoch: int) -> np.ndarray:
        """Returns the records of an epoch in their order, int64 [examples]; keeps the last one."""
        last = self._last_order
        if last is None or last[0] != epoch:
            places = _permutation(self._key, epoch, 0, self._examples)
            last = self._last_order = (epoch, self._drawn(epoch)[places])
        return last[1]

    def _drawn(self, epoch: int) -> np.ndarray:
        """Returns the records that an epoch draws, group after group, int64 [examples]."""
        parts = [np.empty(0, np.int64)]
        bounds = itertools.pairwise(itertools.accumulate(self._groups.sizes.tolist(), initial=0))
        for group, (start, stop) in enumerate(bounds):
            members, quota = self._groups.members[start:stop], int(self._groups.quotas[group])
            parts += self._dealt(members, group, range(epoch * quota, (epoch + 1) * quota))
        return np.concatenate(parts)

    def _dealt(self, members: np.ndarray, group: int, places: range) -> list[np.ndarray]:
        """Returns these places of the endless row of permutations of a group's members."""
        size, parts = len(members), []
        first, last = places.start // size, (places.stop - 1) // size
        for number in range(first, last + 1):
            low = max(places.start - number * size, 0)
            high = min(places.stop - number * size, size)
            if high - low == size:
                # All of them: the epoch's own shuffle decides about the order.
                parts.append(members)
            else:
                order = _permutation(self._key, number, group + 1, size)
                parts.append(members[order[low:high]])
        return parts


def _permutation(key: int, number: int, stream: int, size: int) -> np.ndarray:
    """Returns a permutation int64 [size]; streams of one key and number do not overlap."""
    # Sorting raw random bits, whose stream NumPy guarantees, gives the same order always.
    bits = np.random.Philox(key=[key, number], counter=[0, 0, 0, stream]).random_raw(size)
    return np.argsort(bits, kind="stable")
