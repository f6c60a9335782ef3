"""What a network sees of an image: one linear view of its pixels, chosen by config.

A view is ``(operator(color(pixels)) - offset) * scale``. The operator is separable (see
npr_jax.residual), so images of several sizes can share a padded batch and large ones can be
cut into tiles.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from npr_jax import residual
from npr_jax.rules import Rule, choice, number, several

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
NONE = "none"  # the mode that subtracts nothing: the pixels themselves
MODES = (*residual.MODES, NONE)
COLORS = ("rgb",)


@dataclasses.dataclass(frozen=True)
class FrontEnd:
    """One view of an image, float32 ``[b, h, w, 3]`` from pixels 0 to 255.

    Attributes:
        mode: how the reference image is resampled, one of ``MODES``.
        factor: its down-sampling factor in (0, 1); of no meaning for mode ``none``.
        scale: multiplies each channel, after ``offset`` has been subtracted.
        offset: in units of pixel values; 0 for residuals, whose mean is about 0.

    Raises:
        ValueError: for an unknown mode or a factor outside (0, 1).
    """

    mode: str = "nearest"
    factor: float = 0.5
    scale: tuple[float, ...] = (1.0, 1.0, 1.0)
    offset: tuple[float, ...] = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if self.mode != NONE:
            residual.check_residual(self.factor, self.mode)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> FrontEnd:
        """As ``dataclasses.asdict`` gave it and JSON brought it back, with lists for tuples."""
        plain: dict[str, Any] = {k: _tuple(v) for k, v in values.items()}
        return cls(**plain)

    @property
    def name(self) -> str:
        """Short and readable: the factor, with the mode where it is not the paper's."""
        if self.mode == NONE:
            return "pixels"
        return f"{self.factor:g}" if self.mode == "nearest" else f"{self.mode} {self.factor:g}"

    @property
    def reach(self) -> int:
        """Pixels, at most, between a pixel of the view and those it depends on."""
        return 0 if self.mode == NONE else residual.reference_reach(self.factor)

    def operator(self, length: int, axis: int, window: slice | None = None) -> np.ndarray:
        """The host-side operator of one axis (0: rows, 1: columns), see npr_jax.residual."""
        del axis
        if self.mode == NONE:
            return np.zeros(0, np.int32)
        return residual.axis_operator(length, self.factor, self.mode, window)

    def __call__(self, images: jax.Array | np.ndarray) -> jax.Array:
        """The view of whole images of one size, ``[b, h, w, 3]`` of pixel values."""
        height, width = images.shape[-3:-1]
        return self.placed(images, self.operator(height, 0), self.operator(width, 1))

    def placed(
        self,
        images: jax.Array | np.ndarray,
        rows: jax.Array | np.ndarray,
        columns: jax.Array | np.ndarray,
    ) -> jax.Array:
        """The view of images in a padded batch, with the operators of each; unmasked."""
        x = jnp.asarray(images, jnp.float32)
        if self.mode != NONE:
            x = residual.subtract_reference(x, rows, columns)
        if any(self.offset):
            x = x - np.array(self.offset, np.float32)
        # Residuals are taken of pixel values, whose differences are exact, and scaled after: a
        # reference pixel's own residual is then exactly zero, where rounding would leave 1e-8 of
        # it that Adam makes full steps of.
        return jnp.array(self.scale, jnp.float32) * x


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def paper_front_end(factor: float, mode: str = "nearest") -> FrontEnd:
    """NPR's residual: ImageNet normalisation, whose mean cancels, times 2/3.

    Source: Tan et al., CVPR 2024, section 3.2, and the published model's 2/3.
    """
    scale = tuple(float(s) for s in 2.0 / 3.0 / 255.0 / np.array(IMAGENET_STD))
    return FrontEnd(mode=mode, factor=factor, scale=scale)


def rgb_front_end(
    mean: tuple[float, ...] = IMAGENET_MEAN, std: tuple[float, ...] = IMAGENET_STD
) -> FrontEnd:
    """The pixels themselves, normalised: ``(x / 255 - mean) / std``."""
    return FrontEnd(
        mode=NONE,
        scale=tuple(1.0 / (255.0 * s) for s in std),
        offset=tuple(255.0 * m for m in mean),
    )


FRONT_END_RULES: dict[str, Rule] = {
    "factors": several(number(0, 1), "a tuple of numbers above 0 and below 1, as (0.25, 0.5)"),
    "modes": several(
        choice(*MODES), f"a tuple of one or more of {', '.join(MODES)}, as ('nearest',)"
    ),
}


def front_ends_of(config: ml_collections.ConfigDict) -> tuple[FrontEnd, ...]:
    """The front ends that ``factors`` and ``modes`` of a model section describe.

    Each setting gives one value for each front end, or a single one for all.

    Raises:
        ValueError: where the settings have several different lengths above 1.
    """
    columns = {key: tuple(config[key]) for key in FRONT_END_RULES}
    lengths = {key: len(column) for key, column in columns.items()}
    count = max(lengths.values())
    if set(lengths.values()) - {1, count}:
        given = ", ".join(f"model.{key} has {length}" for key, length in lengths.items())
        raise ValueError(f"{given} values; give each setting one value for all, or {count}")
    broadcast = (column * count if len(column) == 1 else column for column in columns.values())
    return tuple(paper_front_end(*values) for values in zip(*broadcast, strict=True))
