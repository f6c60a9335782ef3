"""What every detector is: views of the image, feature maps, their mean over the image, a head.

The mean is kept apart from the maps because it is a sum over positions: a photograph too
large for memory is cut into tiles, the tiles' sums are added, and the head sees exactly
what it would have seen of the whole image.
"""

import dataclasses
import math
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from npr_jax.residuals.front_end import FrontEnd, with_factors
from npr_jax.residuals.learned_factor import LIMITS
from npr_jax.residuals.residual import LONGEST_PERIOD, RESIDUAL_MODES

_FACTORS = "learned_factors"  # the attribute of a model that holds them


Maps = list[jax.Array]  # images or feature maps, float ``[b, h, w, channels]`` each
Mask = jax.Array | None  # of pixels or of rows of a batch, see ``Model.feature_maps``


class Frozen(nnx.Variable):
    """Numbers of a model that are not trained and lie in a file of their own, as CLIP's tower.

    They are part of no checkpoint: building the model loads them.
    """


class Prediction(NamedTuple):
    """``logits`` float32 ``[b]`` (positive: generated) and, for models that weigh their scales,
    the ``weights`` float32 ``[b, scales]``, else None."""

    logits: jax.Array
    weights: jax.Array | None


@dataclasses.dataclass(frozen=True)
class Grid:
    """Where the positions of a feature map lie; all lengths in input pixels."""

    stride: int  # between neighbouring positions; a power of two
    reach: int  # on each side of pixel ``stride * i``, within which position i is influenced
    # 0 for padded layers, which give ``ceil(n / stride)`` positions. Otherwise layers are unpadded:
    # position i sees exactly the ``field`` pixels from ``stride * i`` on, and there are only
    # positions whose field lies inside the image
    field: int = 0

    def positions(self, length: int) -> int:
        """Positions along an axis of ``length`` pixels."""
        if not self.field:
            return -(-length // self.stride)
        return max(0, (length - self.field) // self.stride + 1)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Placement:
    """Where each image, or tile of one, lies in a padded batch ``[b, H, W, 3]``."""

    # for each front end its operator along the height, ``int32 [b, H]`` or ``float32 [b, H, H]``
    # (see npr_jax.residuals.residual)
    rows: tuple[jax.Array | np.ndarray, ...]
    columns: tuple[jax.Array | np.ndarray, ...]  # likewise along the width
    inside_rows: jax.Array | np.ndarray  # bool ``[b, H]``, true where the row belongs to the image
    inside_columns: jax.Array | np.ndarray  # bool ``[b, W]``
    # for each feature map bool ``[b, positions]``, the rows of it to be summed: those of the image,
    # less those that another tile sums
    core_rows: tuple[jax.Array | np.ndarray, ...]
    core_columns: tuple[jax.Array | np.ndarray, ...]  # likewise along the width


class Model(Protocol):
    """The interface of ``npr_jax.models``: all systems share training, scoring and reports."""

    front_ends: tuple[FrontEnd, ...]  # the views that ``feature_maps`` gets, in order
    grids: tuple[Grid, ...]  # one for each map that ``feature_maps`` returns
    # whether the model needs images whole and at their own size, as a Fourier transform of all
    # pixels does: they are then neither padded nor tiled
    whole: bool
    scales: tuple[str, ...]  # names of the columns of ``Prediction.weights``; () for models without

    def train(self) -> None:
        """Normalises with the statistics of each batch from now on."""
        ...

    def eval(self) -> None:
        """Normalises with the running statistics from now on."""
        ...

    def feature_maps(self, views: Maps, mask: Mask, examples: Mask) -> Maps:
        """Feature maps of the views.

        Args:
            views: float32 ``[b, H, W, channels]``, one for each front end, zero on padding.
            mask: 1 on the image and 0 on padding, ``[b, H, W, 1]``; None: no padding.
            examples: bool ``[b, 1, 1, 1]``, rows that count in batch statistics; None: all.

        Returns:
            One map ``[b, h, w, features]`` for each grid.
        """
        ...

    def head(self, features: list[jax.Array]) -> Prediction:
        """Logits from the maps' means over positions, each float32 ``[b, features]``."""
        ...


def add_learned_factors(model: Model) -> None:
    """Gives the model a parameter for each front end whose factor is trained."""
    starts = {
        f"factor_{i}": nnx.Param(jnp.float32(front_end.factor))
        for i, front_end in enumerate(model.front_ends)
        if front_end.learned
    }
    if starts:
        setattr(model, _FACTORS, nnx.Dict(starts))


def learned_factors(params: nnx.State, *, clip: bool = True) -> dict[str, Any]:
    """The trained factors among a model's parameters: ``factor_0`` is the first front end's.

    As they are used, within their limits, if ``clip``; else as the optimizer sees them. {} where
    none are trained. In a state of several runs side by side each is ``[runs]``.
    """
    if _FACTORS not in params:
        return {}
    values = nnx.to_pure_dict(params[_FACTORS])
    return {name: value.clip(*LIMITS) for name, value in values.items()} if clip else values


def evaluation_copy(model: Model) -> Model:
    """The model as it scores: running statistics, trained factors in its front ends.

    Arrays are shared with the model given, which stays as it was.
    """
    model = nnx.merge(*nnx.split(model))
    model.eval()
    # The host makes operators of the factors' values and looks for them in the front ends.
    if factors := learned_factors(nnx.state(model, nnx.Param)):
        model.front_ends = with_factors(model.front_ends, factors)
    return model


def period(model: Model) -> int:
    """Pixels after which the patterns of all views repeat: what images are cut to multiples of.

    1 where there is no pattern, or none in common of at most ``residual.LONGEST_PERIOD`` pixels.
    """
    common = math.lcm(*(front_end.period for front_end in model.front_ends))
    return common if common <= LONGEST_PERIOD else 1


def period_problem(model: Model) -> str:
    """Why the views' patterns cannot be laid over images of any size; empty: they can."""
    for front_end in model.front_ends:
        if front_end.mode in RESIDUAL_MODES and not front_end.learned:
            if front_end.period == 1:
                return f"the pattern of its residual {front_end.name} never repeats"
            if period(model) % front_end.period:
                return f"its residuals' patterns repeat together after over {LONGEST_PERIOD} pixels"
    return ""


def fixed_side(model: Model) -> int:
    """Side in pixels of the squares that a model takes and no others; 0: it takes any size."""
    return getattr(model, "image_side", 0)


def predict(model: Model, images: jax.Array, examples: jax.Array | None = None) -> Prediction:
    """Scores images ``[b, h, w, 3]`` of one size, pixel values 0 to 255, uint8 or float.

    ``examples``: bool ``[b]``, the rows that count in batch statistics; None: all.
    """
    rows = None if examples is None else examples.reshape(-1, 1, 1, 1)
    maps = whole_maps(model, images, rows)
    return model.head([m.astype(jnp.float32).mean((1, 2)) for m in maps])


def whole_maps(
    model: Model, images: jax.Array, examples: jax.Array | None = None
) -> list[jax.Array]:
    """The feature maps of images of one size; ``examples`` is bool ``[b, 1, 1, 1]`` or None."""
    factors = learned_factors(nnx.state(model, nnx.Param), clip=False)
    views = [
        front_end(images, factors.get(f"factor_{i}"))
        for i, front_end in enumerate(model.front_ends)
    ]
    maps = model.feature_maps(views, None, examples)
    # On the CPU XLA would draw the last block's additions into a slow reduction.
    return jax.lax.optimization_barrier(maps)


def feature_sums(model: Model, images: jax.Array, placement: Placement | None) -> list[jax.Array]:
    """Sums over each placed image's (or tile's) own positions, float32 ``[b, features]`` each.

    Images are uint8 ``[b, H, W, 3]``, anything on the padding; without a placement they fill the
    batch, and means are returned. The model is in evaluation mode.
    """
    return sums_of(placed_maps(model, images, placement), placement)


def placed_maps(model: Model, images: jax.Array, placement: Placement | None) -> list[jax.Array]:
    """The feature maps that ``feature_sums`` adds up, whatever comes out on the padding."""
    if placement is None:
        return whole_maps(model, images)
    mask = _outer(placement.inside_rows, placement.inside_columns)
    operators = zip(model.front_ends, placement.rows, placement.columns, strict=True)
    views = [front_end.placed(images, *own) * mask for front_end, *own in operators]
    return jax.lax.optimization_barrier(model.feature_maps(views, mask, None))


def sums_of(maps: list[jax.Array], placement: Placement | None) -> list[jax.Array]:
    """What ``feature_sums`` gives, of maps that are known."""
    if placement is None:
        return [m.astype(jnp.float32).mean((1, 2)) for m in maps]
    cores = map(_outer, placement.core_rows, placement.core_columns)
    return [(m.astype(jnp.float32) * core).sum((1, 2)) for m, core in zip(maps, cores, strict=True)]


def _outer(rows: jax.Array | np.ndarray, columns: jax.Array | np.ndarray) -> jax.Array:
    inside = rows[:, :, None, None] & columns[:, None, :, None]
    return jnp.asarray(inside, jnp.float32)


def count_parameters(model: Model, kind: type[nnx.Variable] = nnx.Param) -> int:
    """Trained numbers of a model, or those of another kind, as what is ``Frozen``."""
    return sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, kind)))
