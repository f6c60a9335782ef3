"""A part of a split set aside for validation, chosen by file name."""

import numpy as np

from input_pipeline.errors import UserError
from input_pipeline.storage.record_table import RecordTable
from input_pipeline.storage.tfrecord import RecordSource


class SubsetSource:
    """Some records of a source, in the order given."""

    def __init__(self, source: RecordSource, indices: np.ndarray) -> None:
        self.source = source
        self.indices = np.asarray(indices, np.int64)

    def __len__(self) -> int:
        return len(self.indices)

    def __repr__(self) -> str:
        return f"SubsetSource({len(self)} of {self.source!r})"

    def __getitem__(self, index: int) -> bytes:
        return self.source[int(self.indices[index])]

    def length(self, index: int) -> int:
        """See `TFRecordSource.length`."""
        return self.source.length(int(self.indices[index]))

    def peek(self, index: int, size: int) -> bytes:
        """See `TFRecordSource.peek`."""
        return self.source.peek(int(self.indices[index]), size)

    def read_into(
        self, index: int, scratch: np.ndarray, tail: np.ndarray | None = None
    ) -> memoryview:
        """See `TFRecordSource.read_into`."""
        return self.source.read_into(int(self.indices[index]), scratch, tail)


def held_out(table: RecordTable, fraction: float, seed: int) -> np.ndarray:
    """Divides a split by a hash of file names; returns bool [n], which records are held out.

    Where an image goes depends on its name and the seed alone: adding or removing other images does
    not move it. Of several data sets, images of the same file name go to the same side: where both
    are the same image, none is trained on and validated with.

    Args:
      table: of the split.
      fraction: expected share of the images on the validation side, above 0 and below 1.
      seed: another seed gives another division.

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
