"""Where in an image a detector finds what it scores: maps over positions, one image at a time."""

import pathlib
from typing import Any

import jax
import numpy as np
from flax import nnx

from input_pipeline.errors import UserError
from input_pipeline.images.transforms import cut_to_multiple
from input_pipeline.storage.atomic_files import whole_file
from npr_jax.inference import tiling
from npr_jax.inference.tiling import check_map_size
from npr_jax.models.base import (
    Grid,
    Model,
    Placement,
    Prediction,
    evaluation_copy,
    feature_sums,
    period,
    placed_maps,
    sums_of,
)


class PositionMaps:
    """A model's maps, compiled once per shape of ``tiling.SHAPES``, whatever the images' sizes."""

    def __init__(self, model: Model):
        """The model has ``position_logits``; ``UserError`` for one without."""
        check_has_map(model)
        self._model = evaluation_copy(model)
        self._graphdef, self._variables = nnx.split(self._model)
        self._sums = jax.jit(self._feature_sums)
        self._of_tile = jax.jit(self._maps_of_tile)
        self._of_image = jax.jit(self._maps_of_image)

    def __call__(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """The maps of one image, uint8 ``[h, w, 3]``, as far as it is scored, see ``Scorer.score``;
        ``UserError`` for one too large for maps.

        ``position_logits`` float32 ``[rows, columns]``, whose mean is the image's ``logit``;
        ``grid`` int32 ``(stride, field)`` in pixels: position (i, j) lies at pixel
        ``(stride i, stride j)`` and sees ``field`` pixels from there on, or, where that is 0, a
        neighbourhood. Models with weights add ``weights`` float32 ``[scales]``, those with weights
        of each position add them by name, float32 ``[rows, columns]``.
        """
        image = cut_to_multiple(image, period(self._model))
        height, width = image.shape[:2]
        check_map_size(height, width)
        tiles = tiling.plan(height, width, self._model)
        counts = np.array(tiling.feature_counts(height, width, self._model), np.float32)
        if len(tiles) == 1:
            computed = [self._of_image(self._variables, *self._batch(image, tiles[0]), counts)]
        else:
            # The head needs the whole image's means before any position can be weighed.
            sums = [self._sums(self._variables, *self._batch(image, tile)) for tile in tiles]
            means = [
                (np.sum([np.asarray(s, np.float64) for s in parts], axis=0) / n).astype(np.float32)
                for parts, n in zip(zip(*sums, strict=True), counts, strict=True)
            ]
            computed = [
                self._of_tile(self._variables, *self._batch(image, tile), means) for tile in tiles
            ]
        grid = self._model.grids[0]
        found = {"grid": np.array([grid.stride, grid.field], np.int32)}
        shape = (grid.positions(height), grid.positions(width))
        for tile, values in zip(tiles, computed, strict=True):
            for name, value in jax.device_get(values).items():
                if value.ndim == 3:
                    target = found.setdefault(name, np.zeros(shape, value.dtype))
                    (rows, own_rows), (columns, own_columns) = (
                        _positions_of(span, grid) for span in (tile.rows, tile.columns)
                    )
                    target[rows, columns] = value[0, own_rows, own_columns]
                else:
                    found[name] = value[0]
        return found

    def _batch(self, image: np.ndarray, tile: tiling.Tile) -> tuple[np.ndarray, Placement | None]:
        return tiling.batch_of([(image, tile)], 1, self._model)

    def _feature_sums(self, variables, images, placement) -> list[jax.Array]:
        return feature_sums(nnx.merge(self._graphdef, variables), images, placement)

    def _maps_of_image(self, variables, images, placement, counts) -> dict[str, jax.Array]:
        model = nnx.merge(self._graphdef, variables)
        maps = placed_maps(model, images, placement)
        means = [s / counts[i] for i, s in enumerate(sums_of(maps, placement))]
        return _described(model, maps, model.head(means))

    def _maps_of_tile(self, variables, images, placement, means) -> dict[str, jax.Array]:
        model = nnx.merge(self._graphdef, variables)
        return _described(model, placed_maps(model, images, placement), model.head(means))


def _described(model: Any, maps: list[jax.Array], prediction: Prediction) -> dict[str, jax.Array]:
    beside = model.position_maps(maps) if hasattr(model, "position_maps") else {}
    weights = {} if prediction.weights is None else {"weights": prediction.weights}
    return {
        **beside,
        "position_logits": model.position_logits(maps, prediction),
        "logit": prediction.logits,
        **weights,
    }


def _positions_of(span: tiling.Span, grid: Grid) -> tuple[slice, slice]:
    """The positions along an axis that a tile contributes: in the image, and in the tile."""
    first = span.core_start // grid.stride
    last = min(-(-span.core_stop // grid.stride), grid.positions(span.length))
    before = span.start // grid.stride
    return slice(first, last), slice(first - before, last - before)


def check_has_map(model: Model) -> None:
    """Raises ``ValueError`` for a system whose logit is no mean over positions."""
    if not hasattr(model, "position_logits"):
        raise UserError(
            f"{type(model).__name__} has no map of positions: its logit is no mean over them; "
            "leave out --maps and --heat_map=positions"
        )


def save_maps(directory: pathlib.Path, number: int, path: str, maps: dict[str, np.ndarray]) -> None:
    """Writes an image's maps and its ``path`` as ``<number>-<file name>.npz``, whole or not."""
    target = directory / f"{number:06d}-{pathlib.Path(path).name}.npz"
    with whole_file(target) as file:
        np.savez(file, allow_pickle=False, path=path, **maps)
