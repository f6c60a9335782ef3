"""What a network sees of an image: one linear view of its pixels.

A view is ``(operator(color(pixels)) - offset) * scale``. The operator is separable (see
residual), so images of several sizes can share a padded batch and large ones can be
cut into tiles.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Self

import jax
import jax.numpy as jnp
import numpy as np

from npr_jax.residuals import color_spaces, learned_factor, residual

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
# What is subtracted of the pixels themselves, in each colour space.
_CENTRES = {
    "rgb": tuple(255.0 * mean for mean in IMAGENET_MEAN),
    "ycbcr": (127.5, 128.0, 128.0),
    "lab": (127.5, 128.0, 128.0),
}
NONE = "none"  # the mode that subtracts nothing: the pixels themselves
MODES = residual.MODES


@dataclasses.dataclass(frozen=True)
class FrontEnd:
    """One view of an image, float32 ``[b, h, w, 3]`` from pixels 0 to 255.

    Attributes:
        mode: how the reference image is resampled, one of ``MODES``.
        factor: its down-sampling factor in (0, 1); of no meaning for modes ``hh`` and ``none``.
        phase: (row, column) of the reference pixel within its block, for mode ``nearest``.
        color: the colour space, one of ``npr_jax.residuals.color_spaces.COLORS``.
        learned: whether the factor is trained; ``factor`` is then where it starts, or where it
            stands when images are scored. Mode ``bilinear`` only.
        scale: multiplies each channel, after ``offset`` has been subtracted.
        offset: in units of pixel values; 0 for residuals, whose mean is about 0.

    Raises:
        ValueError: for an unknown mode or colour, a factor outside (0, 1), a phase outside the
            block, or a learned factor of another mode or outside its limits.
    """

    mode: str = "nearest"
    factor: float = 0.5
    scale: tuple[float, ...] = (1.0, 1.0, 1.0)
    offset: tuple[float, ...] = (0.0, 0.0, 0.0)
    phase: tuple[int, int] = (0, 0)
    color: str = "rgb"
    learned: bool = False

    def __post_init__(self) -> None:
        for phase in self.phase:
            residual.check_residual(self.factor, self.mode, phase)
        color_spaces.check_color(self.color)
        if self.learned:
            learned_factor.check_start(self.factor, self.mode)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """As ``dataclasses.asdict`` gave it and JSON brought it back, with lists for tuples."""
        plain: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in values.items()
        }
        return cls(**plain)

    @property
    def name(self) -> str:
        """Short and readable: the factor, and what is not as in the paper."""
        parts = {NONE: ["pixels"], "hh": ["hh"], "nearest": [f"{self.factor:g}"]}.get(
            self.mode, [f"{self.mode} {self.factor:g}"]
        )
        parts += ["learned"] * self.learned
        parts += [f"phase {self.phase[0]}-{self.phase[1]}"] * any(self.phase)
        return " ".join(parts if self.color == "rgb" else [*parts, self.color])

    @property
    def period(self) -> int:
        """Pixels after which the view's pattern repeats, see residual; 1: it has none.

        A learned factor has none: its samples lie at the same places whatever the length.
        """
        return 1 if self.learned else residual.period(self.factor, self.mode)

    def reach(self, length: int) -> int:
        """Pixels, at most, between a pixel of the view and those it depends on; of an axis'
        length."""
        return residual.reference_reach(length, self.factor, self.mode)

    def operator(self, length: int, axis: int, window: slice | None = None) -> np.ndarray:
        """The host-side operator of one axis (0: rows, 1: columns), see residual."""
        if self.learned:
            return learned_factor.host_operator(length, self.factor, window)
        phase = self.phase[axis]
        return residual.axis_operator(length, self.factor, self.mode, window, phase=phase)

    def __call__(
        self, images: jax.Array | np.ndarray, factor: jax.Array | None = None
    ) -> jax.Array:
        """The view of whole images ``[b, h, w, 3]`` of one size, pixel values.

        ``factor``: the trained factor, float32 scalar, where the front end has one.
        """
        height, width = images.shape[-3:-1]
        if self.learned and factor is not None:
            factor = learned_factor.clip_factor(factor)
            rows, columns = (learned_factor.learned_operator(n, factor) for n in (height, width))
            return self.placed(images, rows, columns)
        if self.learned:
            return self.placed(images, self.operator(height, 0), self.operator(width, 1))
        x = color_spaces.convert(jnp.asarray(images, jnp.float32), self.color)
        return self._scaled(residual.npr_residual(x, self.factor, self.mode, self.phase))

    def placed(
        self,
        images: jax.Array | np.ndarray,
        rows: jax.Array | np.ndarray,
        columns: jax.Array | np.ndarray,
    ) -> jax.Array:
        """The view of images in a padded batch, with the operators of each; unmasked."""
        x = color_spaces.convert(jnp.asarray(images, jnp.float32), self.color)
        return self._scaled(residual.apply_operators(x, rows, columns, self.mode))

    def _scaled(self, x: jax.Array) -> jax.Array:
        if any(self.offset):
            x = x - np.array(self.offset, np.float32)
        # Residuals are taken of pixel values, whose differences are exact, and scaled after: a
        # reference pixel's own residual is then exactly zero, where rounding would leave 1e-8 of
        # it that Adam makes full steps of.
        return jnp.array(self.scale, jnp.float32) * x


def with_factors(
    front_ends: Sequence[FrontEnd], factors: Mapping[str, float]
) -> tuple[FrontEnd, ...]:
    """The front ends with the values of ``factor_0``, ... in place of where they started."""
    return tuple(
        dataclasses.replace(front_end, factor=float(factors.get(f"factor_{i}", front_end.factor)))
        for i, front_end in enumerate(front_ends)
    )


def distinct(names: Sequence[str]) -> tuple[str, ...]:
    """The names, told apart where one comes again: 0.5, 0.5 (2), 0.5 (3)."""
    counts = [names[: i + 1].count(name) for i, name in enumerate(names)]
    pairs = zip(names, counts, strict=True)
    return tuple(f"{name} ({count})" if count > 1 else name for name, count in pairs)


def paper_front_end(
    factor: float,
    mode: str = "nearest",
    phase: tuple[int, int] = (0, 0),
    color: str = "rgb",
    learned: bool = False,
) -> FrontEnd:
    """NPR's residual: ImageNet normalisation, whose mean cancels, times 2/3.

    Other colour spaces, which have pixel units too, are scaled by the mean of the three
    deviations. The pixels themselves (mode ``none``) are centred, and not multiplied by 2/3.
    Source: Tan et al., CVPR 2024, section 3.2, and the published model's 2/3.
    """
    std = np.array(IMAGENET_STD if color == "rgb" else (np.mean(IMAGENET_STD),) * 3)
    share = 1.0 if mode == NONE else 2.0 / 3.0
    scale = tuple(float(s) for s in share / 255.0 / std)
    centre = _CENTRES.get(color, (0.0,) * 3) if mode == NONE else (0.0,) * 3
    row, column = phase
    return FrontEnd(mode, factor, scale, centre, (row, column), color, learned)


def rgb_front_end(
    mean: tuple[float, ...] = IMAGENET_MEAN, std: tuple[float, ...] = IMAGENET_STD
) -> FrontEnd:
    """The pixels themselves, normalised: ``(x / 255 - mean) / std``."""
    return FrontEnd(
        mode=NONE,
        scale=tuple(1.0 / (255.0 * s) for s in std),
        offset=tuple(255.0 * m for m in mean),
    )
