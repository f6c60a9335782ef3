"""What is known of one detector whose weights its authors publish."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from flax import nnx

from npr_jax.models.base import Model
from npr_jax.models.pretrained.torch_weights import KeyTable


@dataclasses.dataclass(frozen=True)
class Published:
    """One detector whose weights its authors publish.

    Attributes:
        name: of the system in ``npr_jax.models.systems.registry.SYSTEMS``.
        table: its keys.
        build: the model as published, from ``nnx.Rngs``.
        resize: pixels: side of the square that files are squashed to before scoring, as in
            the published evaluation; 0: native size.
        crop: pixels: side of the centre crop that is scored after that; 0: the whole image.
    """

    name: str
    table: KeyTable
    build: Callable[[nnx.Rngs], Model]
    resize: int
    crop: int = 0

    def abstract(self) -> Model:
        """The model's shapes, without numbers."""
        return nnx.eval_shape(lambda: self.build(nnx.Rngs(0)))
