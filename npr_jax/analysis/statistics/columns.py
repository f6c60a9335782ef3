"""What every statistic asks of labels and scores before it computes anything."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from input_pipeline.errors import UserError


def check_columns(
    labels: npt.ArrayLike, scores: Iterable[npt.ArrayLike]
) -> tuple[np.ndarray, np.ndarray]:
    """Labels and several rows of scores of the same images, as arrays.

    Args:
        labels: [n], 1 generated, 0 photograph.
        scores: [s, n], or s columns of n.

    Returns:
        int64 [n] and float64 [s, n].

    Raises:
        ValueError: no images, columns of other lengths, a label other than 0 and 1, or a score that
            is not finite.
    """
    given = np.asarray(labels)
    columns = [np.asarray(column, np.float64) for column in scores]
    shapes = {column.shape for column in columns} - {given.shape}
    if shapes or given.ndim != 1 or not given.size:
        found = " and ".join(map(str, sorted(shapes))) or "none"
        raise UserError(
            f"labels have shape {given.shape}, scores {found}; give one of each for every image"
        )
    if not np.isin(given, (0, 1)).all():
        raise UserError(
            f"labels are {np.unique(given)[:5].tolist()}; allowed are 0 (photograph), 1 (generated)"
        )
    rows = np.stack(columns)
    if not np.isfinite(rows).all():
        raise UserError("scores must be finite; leave out images that could not be scored")
    return given.astype(np.int64), rows
