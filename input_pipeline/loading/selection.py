"""A part of the training images: a seeded share of every kind, and no more than so many of each."""

import numpy as np

from input_pipeline.storage.record_table import RecordTable


def select(
    table: RecordTable, among: np.ndarray, *, fraction: float, max_per_class: int, seed: int
) -> np.ndarray:
    """Chooses records evenly of every kind: data set, generator, class and label.

    Within a kind the records stand in an order that their file names and the seed decide, and the
    first of them are taken. Therefore a smaller share is a part of a larger one, and an image more
    or less in the data set changes the choice by at most one other image of its kind.

    Args:
      table: of all records.
      among: int64 [k], the records to choose from.
      fraction: share of each kind to take, above 0 and at most 1; of every kind at least one.
      max_per_class: at most so many of each kind; 0 for no limit.
      seed: another seed gives another choice.

    Returns:
      int64 [m], records in increasing order.
    """
    if fraction == 1 and not max_per_class:
        return among
    kinds = kinds_of(table, among, ("datasets", "generators", "classes", "labels"))
    hashes = table.name_hashes(f"selection\0{seed}")[among]
    order = np.lexsort((hashes, kinds))
    sizes = np.bincount(kinds)
    wanted = np.maximum(np.rint(fraction * sizes).astype(np.int64), 1)
    if max_per_class:
        wanted = np.minimum(wanted, max_per_class)
    starts = np.cumsum(sizes) - sizes
    ranks = np.arange(len(among)) - starts[kinds[order]]
    return np.sort(among[order[ranks < wanted[kinds[order]]]])


def kinds_of(table: RecordTable, among: np.ndarray, columns: tuple[str, ...]) -> np.ndarray:
    """Numbers the combinations of values that some columns have.

    Args:
      table: of all records.
      among: int64 [k], the records to look at.
      columns: names of columns; without any, all records are alike.

    Returns:
      int64 [k] from 0; combinations in the order of their values, the first column first.
    """
    kinds = np.zeros(len(among), np.int64)
    for name in columns:
        values = getattr(table, name)[among].astype(np.int64)
        combined = kinds * (values.max(initial=0) + 1) + values
        kinds = np.unique(combined, return_inverse=True)[1].reshape(-1)
    return kinds
