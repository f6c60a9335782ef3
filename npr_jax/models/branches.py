"""Several ResNets of one shape, each on a view of its own, and the models built of them.

There are three ways to run them:

* a loop, one network after the other;
* one batched computation: the networks' numbers are stacked inside the step and the network is
  mapped over them, so every layer becomes one operation over all branches. The parameters stay
  those of separate networks, so a checkpoint of one execution serves the other;
* shared weights: one network sees all views as one batch.

Which one is faster is measured by ``benchmarks/branches.py`` (docs/benchmarks.md, "Branches").
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from npr_jax.models.resnet import ResNet, ResNetShape
from npr_jax.residuals.front_end import FrontEnd


class BranchedModel(nnx.Module):
    """The part that detectors of several branches have in common; the head is their own.

    Attributes:
        branches: one ResNet per front end, or a single one that all share.
        batch_branches: run separate ResNets as one computation.
    """

    whole = False

    def __init__(
        self,
        *,
        front_ends: tuple[FrontEnd, ...],
        backbone: ResNetShape,
        share_branches: bool = False,
        batch_branches: bool = False,
        dtype=jnp.float32,
        rngs: nnx.Rngs,
    ):
        self.front_ends = front_ends
        self.grids = (backbone.grid,) * len(front_ends)
        self.scales: tuple[str, ...] = ()
        count = 1 if share_branches else len(front_ends)
        self.branches = nnx.List([ResNet(backbone, dtype=dtype, rngs=rngs) for _ in range(count)])
        self.batch_branches = batch_branches

    def feature_maps(
        self, views: list[jax.Array], mask: jax.Array | None, examples: jax.Array | None
    ) -> list[jax.Array]:
        """See ``npr_jax.models.base.Model``; one map per view."""
        return run_branches(self.branches, views, mask, examples, batched=self.batch_branches)


def run_branches(
    branches: Sequence[ResNet],
    views: list[jax.Array],
    mask: jax.Array | None,
    examples: jax.Array | None,
    *,
    batched: bool,
) -> list[jax.Array]:
    """One feature map per view, in their order: ``[b, h / stride, w / stride, features]``.

    Args:
        branches: networks of one shape, one per view; a single one is shared by all views. Running
            statistics change in place where they are in training mode.
        views: float ``[b, h, w, channels]`` each, all of one shape.
        mask: ``[b, h, w, 1]``, 1 on the image and 0 on padding; None: no padding.
        examples: bool ``[b, 1, 1, 1]``, the rows that count in batch statistics; None: all.
        batched: run separate networks as one computation; a shared one always is.
    """
    if len(branches) < len(views):
        return _shared(branches[0], views, mask, examples)
    if batched and len(branches) > 1:
        return _batched(branches, views, mask, examples)
    return [branch(view, mask, examples) for branch, view in zip(branches, views, strict=True)]


def _shared(branch, views, mask, examples):
    """One network on all views as one batch of ``b * len(views)`` images.

    In training the batch statistics are therefore those of all views together.
    """
    count, batch = len(views), views[0].shape[0]

    def repeat(rows):
        return None if rows is None else jnp.repeat(rows, count, axis=0)

    # An image's views lie next to each other: split over devices by rows, all stay where they are.
    stacked = jnp.stack(views, axis=1).reshape(batch * count, *views[0].shape[1:])
    maps = branch(stacked, repeat(mask), repeat(examples))
    maps = maps.reshape(batch, count, *maps.shape[1:])
    return [maps[:, index] for index in range(count)]


def _batched(branches, views, mask, examples):
    """The networks mapped over their stacked numbers."""
    graphdef = nnx.graphdef(branches[0])
    states = [nnx.state(branch) for branch in branches]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)

    # Only training changes statistics; scoring must not write to the networks, which may belong
    # to whoever traces this.
    training = not branches[0].bn1.use_running_average

    def apply(state, view):
        network = nnx.merge(graphdef, state)
        maps = network(view, mask, examples)
        return maps, nnx.state(network, nnx.BatchStat) if training else None

    maps, statistics = jax.vmap(apply)(stacked, jnp.stack(views))
    if training:
        for index, branch in enumerate(branches):
            nnx.update(branch, jax.tree.map(lambda leaf, i=index: leaf[i], statistics))
    return list(maps)
