"""Images of any size in batches of few shapes: padding for small ones, tiles for large ones.

A tile overlaps its neighbours by a halo as wide as the network's reach, so that the feature
positions it contributes (its core) are computed from exactly the pixels they would see in
the whole image. Cores partition the feature map: their sums add up to the image's.
"""

import dataclasses
import functools

import numpy as np

from input_pipeline.images.preprocessing import check_size
from input_pipeline.images.problems import ImageTooLargeError
from npr_jax.inference.spans import MIN_SIDE, Span, spans_of
from npr_jax.models.base import Grid, Model, Placement, period
from npr_jax.residuals.front_end import FrontEnd

# (height, width) in pixels of the padded batches, multiples of every network's stride. One
# compilation each; images that fit none are cut into tiles of the last.
SHAPES = (
    (64, 64), (128, 128), (256, 256), (384, 384), (384, 512), (512, 384), (512, 512),
    (768, 1024), (1024, 768), (1024, 1024),
)  # fmt: skip
MAX_WHOLE_PIXELS = 2048 * 2048  # of an image that a model must see whole: some GB of features
MAX_MAP_PIXELS = 64_000_000  # of an image whose positions are mapped


@dataclasses.dataclass(frozen=True)
class Tile:
    """A part of an image to be laid into a batch of images of ``shape`` (height, width)."""

    shape: tuple[int, int]
    rows: Span
    columns: Span


def shortest_side(model: Model) -> int:
    """Pixels: of ``MIN_SIDE`` and more, the fewest that are a multiple of the model's period."""
    return -(-MIN_SIDE // period(model)) * period(model)


def most_pixels(model: Model) -> int:
    """Of an image, height times width; 0: any number, as it is cut into tiles."""
    return MAX_WHOLE_PIXELS if model.whole else 0


def check_map_size(height: int, width: int) -> None:
    """Raises ``ImageTooLargeError`` for an image too large for a map of its positions."""
    if height * width > MAX_MAP_PIXELS:
        raise ImageTooLargeError(
            f"image is {height}x{width} pixels; maps are made of at most {MAX_MAP_PIXELS:,} "
            "pixels: give --resize=256 or another side"
        )


def plan(
    height: int, width: int, model: Model, shapes: tuple[tuple[int, int], ...] = SHAPES
) -> list[Tile]:
    """The tiles that score an image of the given size: one, if it fits a shape.

    ``ImageProblem`` where a side has fewer than ``MIN_SIDE`` pixels, or the image is too large for
    a model that sees images whole; ``UserError`` where the last shape is no wider than two halos.
    """
    check_size((height, width), MIN_SIDE, most_pixels(model))
    if model.whole:
        shape = (height, width)
    else:
        fitting = [shape for shape in shapes if shape[0] >= height and shape[1] >= width]
        shape = min(fitting, key=lambda s: s[0] * s[1]) if fitting else shapes[-1]
    stride = max(grid.stride for grid in model.grids)
    reach = max(max(grid.reach, grid.field) for grid in model.grids)
    spans = []
    for n, side in zip((height, width), shape, strict=True):
        halo = reach + max(front_end.reach(n) for front_end in model.front_ends)
        spans.append(spans_of(n, side, -(-halo // stride) * stride, stride))
    return [Tile(shape, rows, columns) for rows in spans[0] for columns in spans[1]]


def feature_counts(height: int, width: int, model: Model) -> list[int]:
    """Positions in each feature map of an image; 1 where the maps' means are at hand."""
    if model.whole:
        return [1] * len(model.grids)
    return [grid.positions(height) * grid.positions(width) for grid in model.grids]


def batch_of(
    tiles: list[tuple[np.ndarray, Tile]], rows: int, model: Model
) -> tuple[np.ndarray, Placement | None]:
    """Lays tiles of one shape into a batch of ``rows`` rows, the rest of them empty.

    Each tile comes with its image, uint8 ``[h, w, 3]``. Returns uint8 ``[rows, H, W, 3]`` and its
    placement; None for a model that sees images whole.
    """
    height, width = tiles[0][1].shape
    images = np.zeros((rows, height, width, 3), np.uint8)
    for row, (image, tile) in enumerate(tiles):
        part = image[tile.rows.start : tile.rows.stop, tile.columns.start : tile.columns.stop]
        images[row, : part.shape[0], : part.shape[1]] = part
    if model.whole:
        return images, None
    row_spans = [tile.rows for _, tile in tiles]
    column_spans = [tile.columns for _, tile in tiles]
    placement = Placement(
        rows=_operators(row_spans, rows, height, 0, model),
        columns=_operators(column_spans, rows, width, 1, model),
        inside_rows=_inside(row_spans, rows, height),
        inside_columns=_inside(column_spans, rows, width),
        core_rows=tuple(_core(row_spans, rows, height, grid) for grid in model.grids),
        core_columns=tuple(_core(column_spans, rows, width, grid) for grid in model.grids),
    )
    return images, placement


def _operators(spans: list[Span], rows: int, side: int, axis: int, model: Model) -> tuple:
    stacks = []
    for front_end in model.front_ends:
        parts = [_padded_operator(front_end, axis, s.length, s.start, s.stop, side) for s in spans]
        stack = np.zeros((rows, *parts[0].shape), parts[0].dtype)
        stack[: len(parts)] = parts
        stacks.append(stack)
    return tuple(stacks)


@functools.lru_cache(maxsize=64)
def _padded_operator(
    front_end: FrontEnd, axis: int, length: int, start: int, stop: int, side: int
) -> np.ndarray:
    operator = front_end.operator(length, axis, slice(start, stop))
    # A front end that subtracts nothing has an empty operator, and keeps it.
    padded = np.zeros((side if operator.size else 0,) * operator.ndim, operator.dtype)
    padded[tuple(slice(n) for n in operator.shape)] = operator
    padded.setflags(write=False)
    return padded


def _inside(spans: list[Span], rows: int, side: int) -> np.ndarray:
    inside = np.zeros((rows, side), bool)
    for row, span in enumerate(spans):
        inside[row, : span.stop - span.start] = True
    return inside


def _core(spans: list[Span], rows: int, side: int, grid: Grid) -> np.ndarray:
    core = np.zeros((rows, grid.positions(side)), bool)
    for row, span in enumerate(spans):
        places = span.start // grid.stride + np.arange(core.shape[1])
        pixels = places * grid.stride
        own = (pixels >= span.core_start) & (pixels < span.core_stop)
        core[row] = own & (places < grid.positions(span.length))
    return core
