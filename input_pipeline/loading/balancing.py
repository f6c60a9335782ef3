"""How the images of an epoch are shared out among data sets, labels, generators and classes."""

from collections.abc import Sequence

import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.loading.groups import Groups
from input_pipeline.loading.selection import kinds_of
from input_pipeline.storage.record_table import RecordTable

# Among what a label's images are shared out evenly.
BALANCES = {
    "": (),
    "label": (),
    "generator": ("datasets", "generators"),
    "class": ("datasets", "generators", "classes"),
}


def balance(table: RecordTable, among: np.ndarray, *, weights: Sequence[float], by: str) -> Groups:
    """Divides records into groups and an epoch among them.

    An epoch has as many images as there are records. They are shared out among the data sets by
    weight, then among the labels of each evenly, then among what `by` says of each label evenly;
    each group gets at least one. A data set with images of one label gives that label all it has.

    Args:
      table: of all records.
      among: int64 [k], the records to draw from.
      weights: a positive number for each data set, in any unit; empty: data sets are not told
        apart.
      by: 'label', 'generator' (of a data set), 'class' (of a generator of a data set), or '' to
        divide the data sets no further.

    Returns:
      The groups; their members are places in `among`.

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
    labels = ("labels",) if by else ()
    outer = ("datasets",) if weights else ()
    groups = kinds_of(table, among, (*outer, *labels, *BALANCES[by]))
    order = np.argsort(groups, kind="stable")
    sizes = np.bincount(groups)
    # Of each group: the data set and the label it is in, by its first member.
    firsts = order[np.cumsum(sizes) - sizes]
    within = kinds_of(table, among[firsts], (*outer, *labels))
    above = datasets[firsts]
    share = np.array(weights or [1.0], np.float64)
    share /= share.sum()
    labels_of = np.bincount(np.unique(np.stack([above, within]), axis=1)[0])
    shares = share[above] / labels_of[above] / np.bincount(within)[within]
    return Groups(order, sizes, apportion(shares, len(among)))


def apportion(shares: np.ndarray, total: int) -> np.ndarray:
    """Divides a number of images by the method of largest remainders, at least one to each.

    Args:
      shares: float [n], above 0.
      total: at least n.

    Returns:
      int64 [n] that add up to `total`.
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
