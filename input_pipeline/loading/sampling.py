"""Which images are trained on, and how often an epoch draws each.

First a part is held out for validation, where no split is. Of the rest a subset is taken: a seeded
share of every kind of image, and no more than so many of each. Then the epoch is shared out among
data sets, labels, generators and classes.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.storage.record_table import RecordTable

# Among what a label's images are shared out evenly.
BALANCES = {
    "": (),
    "label": (),
    "generator": ("datasets", "generators"),
    "class": ("datasets", "generators", "classes"),
}


@dataclass(frozen=True)
class Groups:
    """How many records of which kind an epoch draws."""

    members: np.ndarray  # int64 [n]: record numbers, one group after another
    sizes: np.ndarray  # int64 [groups]: records of each group, at least 1
    # int64 [groups]: how many of them an epoch draws; more than there are repeats them
    quotas: np.ndarray
    # JSON values that the groups follow from; an iterator only goes on with the same.
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


@dataclass(frozen=True)
class Sampling:
    """Settings; the defaults draw every image once in every epoch.

    Raises:
      ValueError: a setting is not allowed.
    """

    fraction: float = 1.0  # share of the images to train on, above 0 and at most 1, see `select`
    # At most so many of each data set, generator, class and label; 0: no limit.
    max_per_class: int = 0
    # A positive number for each data set, its share of an epoch; empty: by its size.
    weights: tuple[float, ...] = ()
    balance: str = ""  # '', 'label', 'generator' or 'class', see `balance`
    # 0: what is balanced gets equally much, whatever its size; 1: as its size; 0.5: as its root.
    balance_power: float = 0.0
    images_per_epoch: int = 0  # 0: as many as there are

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
        if not 0 <= self.balance_power <= 1:
            raise UserError(f"data.balance_power is {self.balance_power}; allowed is 0 to 1.")


def held_out(table: RecordTable, fraction: float, seed: int) -> np.ndarray:
    """Divides a split by a hash of file names; returns bool [n], which records are held out.

    Where an image goes depends on its name and the seed alone: adding or removing other images does
    not move it. Of several data sets, images of the same file name go to the same side: where both
    are the same image, none is trained on and validated with. `fraction` is the expected share of
    the images held out, above 0 and below 1.

    Raises:
      ValueError: fraction is not allowed, or one side would be empty.
    """
    if not 0 < fraction < 1:
        raise UserError(
            f"validation fraction is {fraction}; it must lie above 0 and below 1, for example 0.1."
        )
    # The hash mapped to [0, 1), uniformly.
    held = table.name_hashes(str(seed)).astype(np.float64) / 2**64 < fraction
    if held.all() or not held.any():
        raise UserError(
            f"holding out {fraction} of {len(table)} images leaves {int(held.sum())} for "
            f"validation and {int((~held).sum())} for training. Change the fraction, or prepare a "
            "validation split."
        )
    return held


def sample(
    table: Callable[[], RecordTable], among: np.ndarray, sampling: Sampling, seed: int
) -> tuple[np.ndarray, Groups]:
    """Chooses the records to train on and divides an epoch among them.

    Args:
      table: gives the table of all records; not called where nothing has to be chosen.
      among: int64 [k], the records that may be trained on, in increasing order.
      sampling: how; `seed`: of the choice of a subset.

    Returns:
      The chosen records, int64 [n], and the groups of them, whose members are places in that array.
    """
    settings = dataclasses.asdict(sampling) | {"weights": list(sampling.weights)}
    for name in ("images_per_epoch", "balance_power"):  # which checkpoints of before do not name
        if not settings[name]:
            del settings[name]
    if sampling == Sampling():
        return among, Groups.whole(len(among), settings)
    facts = table()
    share, most = sampling.fraction, sampling.max_per_class
    chosen = select(facts, among, fraction=share, max_per_class=most, seed=seed)
    groups = balance(
        facts,
        chosen,
        weights=sampling.weights,
        by=sampling.balance,
        power=sampling.balance_power,
        total=sampling.images_per_epoch,
    )
    return chosen, dataclasses.replace(groups, settings=settings)


def select(
    table: RecordTable, among: np.ndarray, *, fraction: float, max_per_class: int, seed: int
) -> np.ndarray:
    """Chooses records evenly of every kind: data set, generator, class and label.

    Within a kind the records stand in an order that their file names and the seed decide, and the
    first of them are taken. Therefore a smaller share is a part of a larger one, and an image more
    or less in the data set changes the choice by at most one other image of its kind.

    Args:
      table: of all records.
      among: int64 [k], the records to choose from; int64 [m] of them are returned, increasing.
      fraction: share of each kind to take, above 0 and at most 1; of every kind at least one.
      max_per_class: at most so many of each kind; 0 for no limit.
      seed: another seed gives another choice.
    """
    if fraction == 1 and not max_per_class:
        return among
    kinds = _kinds_of(table, among, ("datasets", "generators", "classes", "labels"))
    hashes = table.name_hashes(f"selection\0{seed}")[among]
    order = np.lexsort((hashes, kinds))
    sizes = np.bincount(kinds)
    wanted = np.maximum(np.rint(fraction * sizes).astype(np.int64), 1)
    if max_per_class:
        wanted = np.minimum(wanted, max_per_class)
    starts = np.cumsum(sizes) - sizes
    ranks = np.arange(len(among)) - starts[kinds[order]]
    return np.sort(among[order[ranks < wanted[kinds[order]]]])


def _kinds_of(table: RecordTable, among: np.ndarray, columns: tuple[str, ...]) -> np.ndarray:
    """Numbers the combinations of values that columns have, int64 [k], in the order of values."""
    kinds = np.zeros(len(among), np.int64)
    for name in columns:
        values = getattr(table, name)[among].astype(np.int64)
        combined = kinds * (values.max(initial=0) + 1) + values
        kinds = np.unique(combined, return_inverse=True)[1].reshape(-1)
    return kinds


def balance(
    table: RecordTable,
    among: np.ndarray,
    *,
    weights: Sequence[float],
    by: str,
    power: float = 0.0,
    total: int = 0,
) -> Groups:
    """Divides records into groups and an epoch among them.

    An epoch has `total` images, 0: as many as there are. They are shared out among the data sets
    by weight, then among the labels of each evenly, then among what `by` says of each label, by the
    size of each to the given power; each group gets at least one. A data set with images of one
    label gives that label all it has.

    Args:
      table: of all records.
      among: int64 [k], the records to draw from; members of the groups are places in it.
      weights: a positive number for each data set; empty: data sets are not told apart.
      by: 'label', 'generator' (of a data set), 'class' (of a generator of a data set), or '' to
        divide the data sets no further.
      power: 0, evenly, to 1, as often as there are images: a group of few is then not repeated
        without end.

    Raises:
      ValueError: a weighted data set has no records, or one label is missing altogether.
    """
    datasets = table.datasets[among] if weights else np.zeros(len(among), np.int32)
    lacking = set(range(len(weights))) - set(np.unique(datasets).tolist())
    if lacking:
        raise UserError(
            f"data.weights gives data set {min(lacking) + 1} of {len(weights)} a share, but no "
            "image of it is left to train on. Leave it out, or hold out less."
        )
    if by and len(np.unique(table.labels[among])) < 2:
        raise UserError(
            f"data.balance is {by!r}, but the images to train on have one label only; it needs "
            "photographs and generated images."
        )
    outer = (*(("datasets",) if weights else ()), *(("labels",) if by else ()))
    groups = _kinds_of(table, among, (*outer, *BALANCES[by]))
    order = np.argsort(groups, kind="stable")
    sizes = np.bincount(groups)
    # Of each group: the data set and the label it is in, by its first member.
    firsts = order[np.cumsum(sizes) - sizes]
    within = _kinds_of(table, among[firsts], outer)
    above = datasets[firsts]
    share = np.array(weights or [1.0], np.float64)
    share /= share.sum()
    labels_of = np.bincount(np.unique(np.stack([above, within]), axis=1)[0])
    tempered = sizes.astype(np.float64) ** power
    shares = share[above] / labels_of[above] * tempered / np.bincount(within, tempered)[within]
    return Groups(order, sizes, apportion(shares, max(total or len(among), len(shares))))


def apportion(shares: np.ndarray, total: int) -> np.ndarray:
    """Divides `total` images, at least n, by the method of largest remainders: int64 [n] above 0.

    The shares are float [n], above 0.
    """
    counts = np.ones(len(shares), np.int64)
    free = np.ones(len(shares), bool)  # those that get one image or more by their share
    while free.any():
        ideal = shares / shares[free].sum() * (total - counts[~free].sum())
        if not (free & (ideal < 1)).any():
            counts[free] = np.floor(ideal[free])
            rest = total - counts.sum()
            remainders = np.where(free, ideal - counts, -1)
            counts[np.argsort(-remainders, kind="stable")[:rest]] += 1
            break
        free &= ideal >= 1
    return counts
