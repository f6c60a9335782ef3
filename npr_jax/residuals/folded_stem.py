"""Normalisation, residual and first convolution as one convolution on the pixels themselves.

At factor 0.5, mode ``nearest``, an even height and width and no phase the reference of pixel
``(y, x)`` is ``(2 (y // 2), 2 (x // 2))``: the residual of a 2x2 block depends on that block alone.
A 3x3 kernel of stride 2, padded by one pixel, sees rows ``2p - 1`` to ``2p + 1`` of the residual
at position p, hence rows ``2p - 2`` to ``2p + 1`` of the pixels: the whole is exactly one 4x4
kernel of stride 2. Borders are no exception, for padding is by whole blocks, which are zero. At an
odd side the small image has one pixel fewer than half of them, so that references lie elsewhere,
and nothing of this holds.

Which way an image goes depends on its own size alone. Both ways are in one program, so that images
of either kind share what is compiled for a batch's shape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import lax

from input_pipeline.errors import UserError
from npr_jax.models.base import Model, Placement, inside_mask, placed_view, sums_of
from npr_jax.models.branches import BranchedModel
from npr_jax.models.derivatives import NHWC
from npr_jax.models.resnet import ResNet
from npr_jax.residuals.front_end import FrontEnd

BEFORE = 2  # rows of zeros above and columns to the left of the pixels


def is_even(height: int, width: int) -> bool:
    """Whether the stems of an image of that size can be folded."""
    return height % 2 == 0 and width % 2 == 0


def folds(front_end: FrontEnd) -> bool:
    """Whether a 3x3 stem of stride 2 on this view can be one kernel, at even sides."""
    return (
        front_end.mode == "nearest"
        and front_end.factor == 0.5
        and not any(front_end.phase)
        and front_end.color == "rgb"
        and not any(front_end.offset)
        and not front_end.learned
    )


def folded_kernel(kernel: np.ndarray, scale: Sequence[float]) -> np.ndarray:
    """The kernel on pixels that does what ``kernel`` does on their scaled residual.

    Args:
        kernel: float ``[3, 3, channels, outputs]``, of stride 2 and padded by one pixel.
        scale: of each channel of the residual, see ``FrontEnd``.

    Returns:
        float64 ``[4, 4, channels, outputs]``, for a stride of 2 and zeros ``BEFORE`` the pixels.
        Each of its four 2x2 blocks adds up to zero.

    Raises:
        ValueError: for a kernel of another size.
    """
    if kernel.shape[:2] != (3, 3):
        raise UserError(f"the kernel is {kernel.shape[0]}x{kernel.shape[1]}; only 3x3 folds")
    padded = np.pad(np.asarray(kernel, np.float64), ((1, 0), (1, 0), (0, 0), (0, 0)))
    scaled = padded * np.asarray(scale, np.float64)[:, None]
    blocks = scaled.reshape(2, 2, 2, 2, *kernel.shape[2:])
    # Every pixel of a block has its first pixel subtracted.
    blocks[:, 0, :, 0] -= blocks.sum(axis=(1, 3))
    return blocks.reshape(scaled.shape)


def folded_kernels(model: Model) -> dict[int, np.ndarray]:
    """The kernels of all stems that can be folded, float32 by the number of their view.

    {} for systems and settings without, and in bfloat16, which would lose that a kernel's blocks
    add up to zero.
    """
    return {
        index: folded_kernel(np.asarray(network.conv1.kernel[...]), front_end.scale).astype(
            np.float32
        )
        # Cross attention's spectrum is one more view than there are networks.
        for index, (network, front_end) in enumerate(
            zip(_networks(model), model.front_ends, strict=False)
        )
        if folds(front_end)
        and network.conv1.kernel.shape[0] == 3
        and network.conv1.dtype == jnp.float32
    }


def folded_feature_sums(
    model: Model,
    kernels: Mapping[int, jax.Array],
    images: jax.Array,
    placement: Placement,
    even: jax.Array,
) -> list[jax.Array]:
    """As ``npr_jax.models.base.feature_sums``, by the folded kernels where ``even`` is true.

    Args:
        model: a detector in evaluation mode, which loses its folded stems: the caller's own copy.
        kernels: of ``folded_kernels(model)``, at least one.
        images: uint8 ``[b, H, W, 3]``, anything on the padding.
        placement: where the images lie.
        even: bool scalar, whether the height and width of all images are even.
    """
    mask = inside_mask(placement)
    views = views_after_stems(
        model,
        kernels,
        pixels=lambda: images.astype(jnp.float32) * mask,
        view=lambda index: placed_view(model, index, images, placement),
        even=even,
    )
    return sums_of(lax.optimization_barrier(model.feature_maps(views, mask, None)), placement)


def views_after_stems(
    model: Model,
    kernels: Mapping[int, jax.Array | np.ndarray],
    *,
    pixels: Callable[[], jax.Array],
    view: Callable[[int], jax.Array],
    even: jax.Array,
) -> list[jax.Array]:
    """What to call ``feature_maps`` with: of views with a kernel the stem's output, else the view.

    Args:
        model: loses the stems that have a kernel: the caller's own copy.
        kernels: of ``folded_kernels(model)``.
        pixels: gives float32 ``[b, h, w, 3]``, 0 to 255, zero on padding.
        view: gives the view of a front end by its number, zero on padding.
        even: bool scalar, whether to fold.
    """
    networks = _networks(model)
    stems = {index: networks[index].conv1 for index in kernels}
    for index in kernels:
        networks[index].conv1 = _Given()

    def folded() -> dict[int, jax.Array]:
        seen = pixels()
        return {index: folded_stem(seen, kernel) for index, kernel in kernels.items()}

    def plain() -> dict[int, jax.Array]:
        return {index: stem(view(index)) for index, stem in stems.items()}

    outputs = lax.cond(even, folded, plain) if kernels else {}
    return [outputs[i] if i in outputs else view(i) for i in range(len(model.front_ends))]


def folded_stem(pixels: jax.Array, kernel: jax.Array | np.ndarray) -> jax.Array:
    """The stem's output, float32 ``[b, ceil(h / 2), ceil(w / 2), outputs]``.

    Args:
        pixels: float32 ``[b, h, w, channels]``, zero on padding.
        kernel: see ``folded_kernel``.
    """
    # One row after the pixels: no even image sees it, and sizes are rounded up as the stem does.
    around = ((BEFORE, 1),) * 2
    # Pixels are up to 255 where their differences are a few: nothing less exact will do.
    return lax.conv_general_dilated(
        pixels,
        jnp.asarray(kernel),
        (2, 2),
        around,
        dimension_numbers=NHWC,
        precision=lax.Precision.HIGHEST,
    )


class _Given(nnx.Module):
    """Stands where a stem was, for views that are its output already."""

    def __call__(self, x: jax.Array) -> jax.Array:
        return x


def _networks(model: Model) -> list[ResNet]:
    """The networks of a model that see one view each, in the order of the views; [] if none do."""
    backbone = getattr(model, "backbone", None)
    if isinstance(backbone, ResNet) and len(model.front_ends) == 1:
        return [backbone]
    # A shared network sees several views, and those that are run as one must be alike.
    if isinstance(model, BranchedModel) and not model.batch_branches:
        return [] if len(model.branches) == 1 < len(model.front_ends) else list(model.branches)
    return []
