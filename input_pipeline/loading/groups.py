"""Groups of records, of each of which an epoch draws so many."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Groups:
    """How many records of which kind an epoch draws.

    Attributes:
      members: int64 [n]: record numbers, one group after another.
      sizes: int64 [groups]: records of each group, at least 1.
      quotas: int64 [groups]: how many of them an epoch draws, at least 0; more than there are
        repeats them.
      settings: JSON values that the groups follow from; an iterator is only continued with the
        same.
    """

    members: np.ndarray
    sizes: np.ndarray
    quotas: np.ndarray
    settings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def whole(cls, count: int, settings: Mapping[str, Any] | None = None) -> "Groups":
        """Returns one group of all records, each of which every epoch draws once."""
        size = np.array([count])
        return cls(np.arange(count), size, size, settings or {})

    @property
    def images_per_epoch(self) -> int:
        """Records that an epoch draws."""
        return int(self.quotas.sum())
