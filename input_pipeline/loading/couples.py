"""Training on couples: each generated image beside a photograph, both under one draw.

Where a data set says from which photograph a generated image was made (a reconstruction), that
photograph stands beside it; beside any other, one that the epoch draws. Couples lie in neighbouring
rows of a batch, photograph first, and share a position, from which all that is random follows.

A couple may be seen in several views: the same two images after other deliveries, in the next rows.
"""

from dataclasses import dataclass
from typing import Any

import grain
import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.images.augmentations import derive_seed
from input_pipeline.loading.epochs import EpochBatches
from input_pipeline.loading.sampling import Groups, apportion
from input_pipeline.storage.record_table import RecordTable
from input_pipeline.storage.records import GENERATED, PHOTOGRAPH

_PHOTOGRAPHS_STREAM = 16  # see derive_seed
_VIEW = 1 << 48  # positions of a couple's next view: more than any training has


@dataclass(frozen=True, eq=False)
class Couples:
    """What is known of the records that are coupled."""

    labels: np.ndarray  # uint8 [n]: 0 photograph, 1 generated
    originals: np.ndarray  # int64 [n]: the record that each was made from; -1: none
    views: int = 1  # of each couple


def couples_of(table: RecordTable, among: np.ndarray, views: int = 1) -> Couples:
    """What the table says of the records `among`, int64 [k]; originals are places in that array."""
    labels, pairs = table.labels[among], table.pairs[among]
    named = np.array([bool(name) for name in table.pair_names])[pairs]
    photographs = np.full(len(table.pair_names), -1)
    ours = np.flatnonzero(named & (labels == PHOTOGRAPH))
    photographs[pairs[ours]] = ours
    return Couples(labels, np.where(labels == GENERATED, photographs[pairs], -1), views)


def of_first_view(position: int) -> int:
    """Returns the position of a couple, whichever of its views this one is of."""
    return position % _VIEW


class CoupleBatches(grain.MapDataset):
    """Batch number -> (positions, record numbers), int64 [b] each; record -1 is a blank row."""

    def __init__(
        self,
        groups: Groups,
        couples: Couples,
        seed: int,
        batch_size: int,
        process_index: int,
        process_count: int,
    ) -> None:
        """Half of each batch are generated images, `batch_size` is even.

        Args:
          groups: as for `EpochBatches`; none holds images of both labels.
          couples: of the same records.
          seed, batch_size, process_index, process_count: as for `EpochBatches`.
        """
        super().__init__()
        rows = 2 * couples.views
        if batch_size % (rows * process_count):
            raise UserError(
                f"batch size is {batch_size}; couples in {couples.views} views need a multiple of "
                f"{rows} for each of {process_count} processes."
            )
        share = batch_size // rows, process_index, process_count
        photographs, generated = (
            of_label(groups, couples.labels, label, groups.images_per_epoch // rows)
            for label in (PHOTOGRAPH, GENERATED)
        )
        self._generated = EpochBatches(generated, seed, *share)
        # Of a stream of their own: the same one would lead each group of generated images to the
        # same group of photographs always.
        own = derive_seed(seed, _PHOTOGRAPHS_STREAM)
        self._photographs = EpochBatches(photographs, own, *share)
        self._originals, self._views = couples.originals, couples.views

    def __len__(self) -> int:
        return len(self._generated)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self.slice(index)
        positions, generated = self._generated[index]
        _, photographs = self._photographs[index]
        originals = np.where(generated >= 0, self._originals[generated], -1)
        photographs = np.where(originals >= 0, originals, photographs)
        couples = np.stack([photographs, generated], axis=1)
        # [couple, view, image]
        records = couples[:, None].repeat(self._views, axis=1)
        places = positions[:, None, None] + _VIEW * np.arange(self._views)[:, None]
        return np.broadcast_to(places, records.shape).reshape(-1), records.reshape(-1)


def of_label(groups: Groups, labels: np.ndarray, label: int, total: int) -> Groups:
    """Returns the groups of one label, which share `total` images in the old proportions."""
    starts = np.cumsum(groups.sizes) - groups.sizes
    mine = np.flatnonzero(labels[groups.members[starts]] == label)
    if not len(mine):
        raise UserError(
            "data.couples needs photographs and generated images; there are none with label "
            f"{label}."
        )
    members = np.concatenate(
        [groups.members[s : s + n] for s, n in zip(starts[mine], groups.sizes[mine], strict=True)]
    )
    quotas = apportion(groups.quotas[mine].astype(float), total)
    return Groups(members, groups.sizes[mine], quotas, groups.settings)
