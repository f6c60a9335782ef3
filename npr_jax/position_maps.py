"""Where in an image a detector finds what it scores: maps over positions, one image at a time."""

from __future__ import annotations

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from npr_jax.models import Model, whole_maps
from npr_jax.tiling import check_map_size


class PositionMaps:
    """A model's maps, compiled once per image size."""

    def __init__(self, model: Model):
        """Args:
        model: a detector with ``position_logits``.

        Raises:
            ValueError: for a system without.
        """
        check_has_map(model)
        model.eval()
        self._model = model
        self._graphdef, self._variables = nnx.split(model)
        self._compute = jax.jit(self._maps)

    def __call__(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """The maps of one image, whole.

        Args:
            image: uint8 ``[h, w, 3]``.

        Returns:
            ``position_logits`` float32 ``[rows, columns]``, whose mean is the image's ``logit``;
            ``grid`` int32 ``(stride, field)`` in pixels: position (i, j) lies at pixel
            ``(stride i, stride j)`` and sees ``field`` pixels from there on, or, where that is 0, a
            neighbourhood. Models with weights add ``weights`` float32 ``[scales]``, those with
            weights of each position add them by name, float32 ``[rows, columns]``.

        Raises:
            ValueError: for an image too large to be looked at whole.
        """
        check_map_size(image.shape[0], image.shape[1])
        computed = jax.device_get(self._compute(self._variables, image[None]))
        maps = {name: value[0] for name, value in computed.items() if value is not None}
        grid = self._model.grids[0]
        return maps | {"grid": np.array([grid.stride, grid.field], np.int32)}

    def _maps(self, variables: nnx.State, images: jax.Array) -> dict[str, jax.Array]:
        model = nnx.merge(self._graphdef, variables)
        maps = whole_maps(model, images)
        prediction = model.head([m.astype(jnp.float32).mean((1, 2)) for m in maps])
        beside = model.position_maps(maps) if hasattr(model, "position_maps") else {}
        return {
            **beside,
            "position_logits": model.position_logits(maps, prediction),
            "logit": prediction.logits,
            "weights": prediction.weights,
        }


def check_has_map(model: Model) -> None:
    """Raises ``ValueError`` for a system whose logit is no mean over positions."""
    if not hasattr(model, "position_logits"):
        raise ValueError(
            f"{type(model).__name__} has no map of positions: its logit is no mean over them; "
            "leave --maps out"
        )


def save_maps(directory: pathlib.Path, number: int, path: str, maps: dict[str, np.ndarray]) -> None:
    """Writes an image's maps and its ``path`` as ``<number>-<file name>.npz``, whole or not."""
    target = directory / f"{number:06d}-{pathlib.Path(path).name}.npz"
    temporary = target.with_suffix(".partial")
    with temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, path=path, **maps)
    temporary.replace(target)
