"""Training on couples: each generated image beside a photograph, both under one draw.

Where a data set says from which photograph a generated image was made (a reconstruction), that
photograph stands beside it; beside any other, one that the epoch draws. Couples lie in neighbouring
rows of a batch, photograph first, and share a position, from which all that is random follows.
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


@dataclass(frozen=True, eq=False)
class Couples:
    """What is known of the records that are coupled."""

    labels: np.ndarray  # uint8 [n]: 0 photograph, 1 generated
    originals: np.ndarray  # int64 [n]: the record that each was made from; -1: none


def couples_of(table: RecordTable, among: np.ndarray) -> Couples:
    """What the table says of the records `among`, int64 [k]; originals are places in that array."""
    labels, pairs = table.labels[among], table.pairs[among]
    named = np.array([bool(name) for name in table.pair_names])[pairs]
    photographs = np.full(len(table.pair_names), -1)
    ours = np.flatnonzero(named & (labels == PHOTOGRAPH))
    photographs[pairs[ours]] = ours
    return Couples(labels, np.where(labels == GENERATED, photographs[pairs], -1))


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
        if batch_size % (2 * process_count):
            raise UserError(
                f"batch size is {batch_size}; couples need an even number for each of "
                f"{process_count} processes."
            )
        share = batch_size // 2, process_index, process_count
        self._generated = EpochBatches(of_label(groups, couples.labels, GENERATED), seed, *share)
        # Of a stream of their own: the same one would lead each group of generated images to the
        # same group of photographs always.
        own = derive_seed(seed, _PHOTOGRAPHS_STREAM)
        self._photographs = EpochBatches(of_label(groups, couples.labels, PHOTOGRAPH), own, *share)
        self._originals = couples.originals

    def __len__(self) -> int:
        return len(self._generated)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return self.slice(index)
        positions, generated = self._generated[index]
        _, photographs = self._photographs[index]
        originals = np.where(generated >= 0, self._originals[generated], -1)
        photographs = np.where(originals >= 0, originals, photographs)
        return positions.repeat(2), np.stack([photographs, generated], axis=1).reshape(-1)


def of_label(groups: Groups, labels: np.ndarray, label: int) -> Groups:
    """Returns the groups of one label, which share half of an epoch in the old proportions."""
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
    quotas = apportion(groups.quotas[mine].astype(float), groups.images_per_epoch // 2)
    return Groups(members, groups.sizes[mine], quotas, groups.settings)
