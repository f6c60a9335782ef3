"""Images of any size in batches of few shapes: padding for small ones, tiles for large ones.

A tile overlaps its neighbours by a halo as wide as the network's reach, so that the feature
positions it contributes (its core) are computed from exactly the pixels they would see in
the whole image. Cores partition the feature map: their sums add up to the image's.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np

from npr_jax.models import Model, Placement
from npr_jax.residual import axis_operator, reference_reach

# (height, width) in pixels of the padded batches, multiples of every network's stride. One
# compilation each; images that fit none are cut into tiles of the last.
SHAPES = (
    (64, 64),
    (128, 128),
    (256, 256),
    (384, 384),
    (384, 512),
    (512, 384),
    (512, 512),
    (768, 1024),
    (1024, 768),
    (1024, 1024),
)
MIN_SIDE = 32  # pixels; below, little is left of an image after the network's strides


@dataclasses.dataclass(frozen=True)
class Span:
    """A tile's share of one axis.

    ``start:stop`` are its pixels, ``core_start:core_stop`` the feature positions it
    contributes, counted from the tile's own first feature.
    """

    length: int
    start: int
    stop: int
    core_start: int
    core_stop: int


@dataclasses.dataclass(frozen=True)
class Tile:
    """A part of an image to be laid into a batch of images of ``shape`` (height, width)."""

    shape: tuple[int, int]
    rows: Span
    columns: Span


def plan(
    height: int, width: int, model: Model, shapes: tuple[tuple[int, int], ...] = SHAPES
) -> list[Tile]:
    """The tiles that score an image of the given size: one, if it fits a shape.

    Raises:
        ValueError: if the image has a side under ``MIN_SIDE`` pixels, or needs tiles and the
            last shape is no wider than two halos.
    """
    if min(height, width) < MIN_SIDE:
        raise ValueError(f"image is {height}x{width} pixels; at least {MIN_SIDE}x{MIN_SIDE} needed")
    fitting = [shape for shape in shapes if shape[0] >= height and shape[1] >= width]
    shape = min(fitting, key=lambda s: s[0] * s[1]) if fitting else shapes[-1]
    halo = _halo(model)
    spans = [
        _spans(n, side, halo, model.stride) for n, side in zip((height, width), shape, strict=True)
    ]
    return [Tile(shape, rows, columns) for rows in spans[0] for columns in spans[1]]


def _halo(model: Model) -> int:
    reach = model.reach + max(reference_reach(factor) for factor, _ in model.residuals)
    return -(-reach // model.stride) * model.stride


def _spans(length: int, side: int, halo: int, stride: int) -> list[Span]:
    if length <= side:
        return [Span(length, 0, length, 0, -(-length // stride))]
    core = (side - 2 * halo) // stride * stride
    if core <= 0:
        raise ValueError(f"tiles of {side} pixels are too small for halos of {halo} on each side")
    spans = []
    for first in range(0, length, core):
        start = max(0, first - halo)
        last = min(first + core, length)
        spans.append(
            Span(
                length,
                start,
                min(start + side, length),
                (first - start) // stride,
                -(-(last - start) // stride),
            )
        )
    return spans


def feature_count(height: int, width: int, stride: int) -> int:
    """Positions in the feature map of an image."""
    return -(-height // stride) * -(-width // stride)


def batch_of(
    tiles: list[tuple[np.ndarray, Tile]], rows: int, model: Model
) -> tuple[np.ndarray, Placement]:
    """Lays tiles of one shape into a batch of ``rows`` rows, the rest of them empty.

    Args:
        tiles: each image, uint8 ``[h, w, 3]``, with the tile to take of it.
        rows: the batch size, at least ``len(tiles)``.
        model: whose residuals and stride to prepare for.

    Returns:
        uint8 ``[rows, H, W, 3]`` and its placement.
    """
    height, width = tiles[0][1].shape
    images = np.zeros((rows, height, width, 3), np.uint8)
    for row, (image, tile) in enumerate(tiles):
        part = image[tile.rows.start : tile.rows.stop, tile.columns.start : tile.columns.stop]
        images[row, : part.shape[0], : part.shape[1]] = part
    row_spans = [tile.rows for _, tile in tiles]
    column_spans = [tile.columns for _, tile in tiles]
    placement = Placement(
        rows=_operators(row_spans, rows, height, model),
        columns=_operators(column_spans, rows, width, model),
        inside_rows=_inside(row_spans, rows, height),
        inside_columns=_inside(column_spans, rows, width),
        core_rows=_core(row_spans, rows, -(-height // model.stride)),
        core_columns=_core(column_spans, rows, -(-width // model.stride)),
    )
    return images, placement


def _operators(spans: list[Span], rows: int, side: int, model: Model) -> tuple:
    stacks = []
    for factor, mode in model.residuals:
        parts = [_padded_operator(s.length, factor, mode, s.start, s.stop, side) for s in spans]
        stack = np.zeros((rows, *parts[0].shape), parts[0].dtype)
        stack[: len(parts)] = parts
        stacks.append(stack)
    return tuple(stacks)


@functools.lru_cache(maxsize=64)
def _padded_operator(length: int, factor: float, mode: str, start: int, stop: int, side: int):
    operator = axis_operator(length, factor, mode, slice(start, stop))
    padded = np.zeros((side,) * operator.ndim, operator.dtype)
    padded[tuple(slice(n) for n in operator.shape)] = operator
    padded.setflags(write=False)
    return padded


def _inside(spans: list[Span], rows: int, side: int) -> np.ndarray:
    inside = np.zeros((rows, side), bool)
    for row, span in enumerate(spans):
        inside[row, : span.stop - span.start] = True
    return inside


def _core(spans: list[Span], rows: int, side: int) -> np.ndarray:
    core = np.zeros((rows, side), bool)
    for row, span in enumerate(spans):
        core[row, span.core_start : span.core_stop] = True
    return core
