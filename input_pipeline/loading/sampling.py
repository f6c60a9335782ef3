"""Which images of the training side an epoch draws, and how often: all settings of it together."""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.loading.balancing import BALANCES, balance
from input_pipeline.loading.groups import Groups
from input_pipeline.loading.selection import select
from input_pipeline.storage.record_table import RecordTable


@dataclass(frozen=True)
class Sampling:
    """Settings; the defaults draw every image once in every epoch.

    Attributes:
      fraction: share of the images to train on, above 0 and at most 1, see `selection.select`.
      max_per_class: at most so many of each data set, generator, class and label; 0: no limit.
      weights: a positive number for each data set, its share of an epoch; empty: by its size.
      balance: '', 'label', 'generator' or 'class', see `balancing.balance`.

    Raises:
      ValueError: a setting is not allowed.
    """

    fraction: float = 1.0
    max_per_class: int = 0
    weights: tuple[float, ...] = ()
    balance: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.fraction <= 1:
            raise UserError(
                f"data.fraction is {self.fraction}; it must lie above 0 and be at most 1."
            )
        if self.max_per_class < 0:
            raise UserError(
                f"data.max_per_class is {self.max_per_class}; it must be 0 (no limit) or more."
            )
        if not all(0 < weight < math.inf for weight in self.weights):
            raise UserError(f"data.weights is {self.weights}; all must be positive numbers.")
        if self.balance not in BALANCES:
            raise UserError(f"data.balance is {self.balance!r}; allowed are {tuple(BALANCES)}.")

    def as_json(self) -> dict[str, Any]:
        """Returns the settings as JSON values."""
        return dataclasses.asdict(self) | {"weights": list(self.weights)}


def sample(
    table: Callable[[], RecordTable], among: np.ndarray, sampling: Sampling, seed: int
) -> tuple[np.ndarray, Groups]:
    """Chooses the records to train on and divides an epoch among them.

    Args:
      table: gives the table of all records; not called where nothing has to be chosen.
      among: int64 [k], the records that may be trained on, in increasing order.
      sampling: how.
      seed: of the choice of a subset.

    Returns:
      The chosen records, int64 [n], and the groups of them, whose members are places in that array.

    Raises:
      ValueError: see `balancing.balance`, or the table cannot be read.
    """
    settings = sampling.as_json()
    if sampling == Sampling():
        return among, Groups.whole(len(among), settings)
    facts = table()
    chosen = select(
        facts,
        among,
        fraction=sampling.fraction,
        max_per_class=sampling.max_per_class,
        seed=seed,
    )
    groups = balance(facts, chosen, weights=sampling.weights, by=sampling.balance)
    return chosen, dataclasses.replace(groups, settings=settings)
