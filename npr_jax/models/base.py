"""What every detector is: residuals, feature maps, their mean over the image, a head.

The mean is kept apart from the maps because it is a sum over positions: a photograph too
large for memory is cut into tiles, the tiles' sums are added, and the head sees exactly
what it would have seen of the whole image.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from npr_jax.residual import npr_residual, subtract_reference

IMAGENET_STD = (0.229, 0.224, 0.225)
# The published model normalises pixels to ImageNet's mean and deviation, takes the residual and
# multiplies it by 2/3. The mean cancels. Residuals are taken of pixel values, whose differences
# are exact, and scaled after: a reference pixel's own residual is then exactly zero, where
# rounding would leave 1e-8 of it that Adam makes full steps of.
RESIDUAL_SCALE = np.float32(2.0 / 3.0 / 255.0 / np.array(IMAGENET_STD))


class Prediction(NamedTuple):
    """``logits`` float32 ``[b]`` (positive: generated) and, for attention models, the softmax
    ``weights`` over scales, float32 ``[b, scales]``, else None."""

    logits: jax.Array
    weights: jax.Array | None


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Placement:
    """Where each image, or tile of one, lies in a padded batch ``[b, H, W, 3]``.

    Attributes:
        rows: for each residual its operator along the height, ``int32 [b, H]`` or
            ``float32 [b, H, H]`` (see npr_jax.residual).
        columns: likewise along the width.
        inside_rows: bool ``[b, H]``, true where the row belongs to the image.
        inside_columns: bool ``[b, W]``.
        core_rows: bool ``[b, ceil(H / stride)]``, the feature rows to be summed: those of the
            image, less those that another tile sums.
        core_columns: bool ``[b, ceil(W / stride)]``.
    """

    rows: tuple[jax.Array | np.ndarray, ...]
    columns: tuple[jax.Array | np.ndarray, ...]
    inside_rows: jax.Array | np.ndarray
    inside_columns: jax.Array | np.ndarray
    core_rows: jax.Array | np.ndarray
    core_columns: jax.Array | np.ndarray


class Model(Protocol):
    """The interface of ``npr_jax.models``: all systems share training, scoring and reports."""

    residuals: tuple[tuple[float, str], ...]
    stride: int
    reach: int

    def eval(self) -> None:
        """Normalises with the running statistics from now on."""
        ...

    def feature_maps(
        self, residuals: list[jax.Array], mask: jax.Array | None, examples: jax.Array | None
    ) -> list[jax.Array]:
        """One map ``[b, h, w, features]`` per branch of residual images ``[b, H, W, 3]``."""
        ...

    def head(self, features: list[jax.Array]) -> Prediction:
        """Logits from the branches' mean features, each float32 ``[b, features]``."""
        ...


def predict(model: Model, images: jax.Array, examples: jax.Array | None = None) -> Prediction:
    """Scores images of one size.

    Args:
        model: any of our detectors, in training or evaluation mode.
        images: uint8 ``[b, h, w, 3]``.
        examples: bool ``[b]``, the rows that count in batch statistics; None: all.
    """
    x = images.astype(jnp.float32)
    residuals = [RESIDUAL_SCALE * npr_residual(x, f, mode) for f, mode in model.residuals]
    rows = None if examples is None else examples.reshape(-1, 1, 1, 1)
    maps = model.feature_maps(residuals, None, rows)
    # On the CPU XLA would draw the last block's additions into a slow reduction.
    maps = jax.lax.optimization_barrier(maps)
    return model.head([m.astype(jnp.float32).mean((1, 2)) for m in maps])


def feature_sums(model: Model, images: jax.Array, placement: Placement) -> list[jax.Array]:
    """Sums over each placed image's (or tile's) own positions, float32 ``[b, features]`` each.

    Args:
        model: a detector in evaluation mode.
        images: uint8 ``[b, H, W, 3]``, anything on the padding.
        placement: where the images lie.
    """
    x = images.astype(jnp.float32)
    mask = _outer(placement.inside_rows, placement.inside_columns)
    residuals = [
        RESIDUAL_SCALE * subtract_reference(x, rows, columns) * mask
        for rows, columns in zip(placement.rows, placement.columns, strict=True)
    ]
    core = _outer(placement.core_rows, placement.core_columns)
    maps = jax.lax.optimization_barrier(model.feature_maps(residuals, mask, None))
    return [(m.astype(jnp.float32) * core).sum((1, 2)) for m in maps]


def _outer(rows: jax.Array | np.ndarray, columns: jax.Array | np.ndarray) -> jax.Array:
    inside = rows[:, :, None, None] & columns[:, None, :, None]
    return jnp.asarray(inside, jnp.float32)
