"""ResNets of one shape, each on a view of its own, and the heads that are linear in their features.

A head is a model of its own: its layers lie beside the branches, so the names of a checkpoint's
parameters say which head it has. Cross attention, which is not linear, has a file of its own.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from input_pipeline.errors import UserError
from npr_jax.models import layers
from npr_jax.models.base import Maps, Mask, Prediction
from npr_jax.models.resnet import ResNet, ResNetShape
from npr_jax.residuals.front_end import FrontEnd, distinct


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

    def feature_maps(self, views: Maps, mask: Mask, examples: Mask) -> Maps:
        """See ``npr_jax.models.base.Model``; one map per view."""
        return run_branches(self.branches, views, mask, examples, batched=self.batch_branches)


def run_branches(
    branches: Sequence[ResNet], views: Maps, mask: Mask, examples: Mask, *, batched: bool
) -> Maps:
    """One feature map per view, in their order: ``[b, h / stride, w / stride, features]``.

    Separate networks run one after the other or, ``batched``, as one computation: their numbers are
    stacked inside the step and the network is mapped over them, so every layer becomes one
    operation over all branches. The parameters stay those of separate networks, so a checkpoint of
    one execution serves the other. ``benchmarks/branches.py`` measures both (docs/benchmarks.md,
    "Branches").

    Args:
        branches: networks of one shape, one per view; a single one is shared by all views, which it
            sees as one batch. Running statistics change in place in training mode.
        views: float ``[b, h, w, channels]`` each, all of one shape.
        mask: ``[b, h, w, 1]``, 1 on the image and 0 on padding; None: no padding.
        examples: bool ``[b, 1, 1, 1]``, the rows that count in batch statistics; None: all.
        batched: see above.
    """
    if len(branches) not in (1, len(views)):
        raise UserError(
            f"{len(branches)} branches for {len(views)} views; expected one for each, "
            "or a single one that all share"
        )
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


class Mean(BranchedModel):
    """The branches' features, averaged."""

    def __init__(self, *, backbone: ResNetShape, rngs: nnx.Rngs, **settings):
        super().__init__(backbone=backbone, rngs=rngs, **settings)
        self.classifier = layers.torch_linear(backbone.features, 1, rngs=rngs)

    def head(self, features: list[jax.Array]) -> Prediction:
        """See ``npr_jax.models.base.Model``."""
        return Prediction(_logits(self.classifier, self._mixed(features)), None)

    def position_logits(self, maps: list[jax.Array], prediction: Prediction) -> jax.Array:
        """What each position adds, float32 ``[b, h, w]``; the mean over positions is the logit."""
        del prediction
        return _logits(self.classifier, self._mixed(maps))

    def _mixed(self, features: list[jax.Array]) -> jax.Array:
        return jnp.stack([f.astype(jnp.float32) for f in features]).mean(axis=0)


class Fixed(Mean):
    """The branches' features, weighed by numbers of the config that are not learned."""

    def __init__(self, *, scale_weights: tuple[float, ...], **settings):
        """``scale_weights``: one for each front end, not negative; divided by their sum."""
        super().__init__(**settings)
        self.scale_weights = tuple(float(w) for w in np.array(scale_weights) / sum(scale_weights))

    def _mixed(self, features: list[jax.Array]) -> jax.Array:
        stacked = jnp.stack([f.astype(jnp.float32) for f in features], axis=-1)
        return (stacked * jnp.array(self.scale_weights, jnp.float32)).sum(axis=-1)


class Concatenation(BranchedModel):
    """A linear classifier on all branches' features."""

    def __init__(self, *, backbone: ResNetShape, rngs: nnx.Rngs, **settings):
        super().__init__(backbone=backbone, rngs=rngs, **settings)
        width = backbone.features * len(self.front_ends)
        self.classifier = layers.torch_linear(width, 1, rngs=rngs)

    def head(self, features: list[jax.Array]) -> Prediction:
        """See ``npr_jax.models.base.Model``."""
        return Prediction(_logits(self.classifier, jnp.concatenate(features, axis=-1)), None)

    def position_logits(self, maps: list[jax.Array], prediction: Prediction) -> jax.Array:
        """What each position adds, float32 ``[b, h, w]``; the mean over positions is the logit."""
        del prediction
        return _logits(self.classifier, jnp.concatenate(maps, axis=-1))


class _Weighing(BranchedModel):
    """A two-layer perceptron on the concatenated features whose softmax weighs the branches."""

    def __init__(
        self, *, backbone: ResNetShape, attention_features: int, rngs: nnx.Rngs, **settings
    ):
        super().__init__(backbone=backbone, rngs=rngs, **settings)
        self.scales = distinct([front_end.name for front_end in self.front_ends])
        width, count = backbone.features, len(self.front_ends)
        self.attention_hidden = layers.torch_linear(width * count, attention_features, rngs=rngs)
        self.attention_out = layers.torch_linear(attention_features, count, rngs=rngs)
        self.classifier = layers.torch_linear(width, 1, rngs=rngs)

    def _weights(self, features: list[jax.Array]) -> jax.Array:
        """Softmax over the scales, float32 ``[..., scales]``, of features ``[..., width]``."""
        together = jnp.concatenate(features, axis=-1).astype(jnp.float32)
        return nnx.softmax(self.attention_out(nnx.relu(self.attention_hidden(together))), axis=-1)


class Attention(_Weighing):
    """Softmax attention over the scales, once per image."""

    def head(self, features: list[jax.Array]) -> Prediction:
        """See ``npr_jax.models.base.Model``; ``weights`` sum to 1 over the scales."""
        weights = self._weights(features)
        mixed = jnp.einsum("bs,bsf->bf", weights, jnp.stack(features, axis=1))
        return Prediction(_logits(self.classifier, mixed), weights)

    def position_logits(self, maps: list[jax.Array], prediction: Prediction) -> jax.Array:
        """What each position adds, float32 ``[b, h, w]``; the mean over positions is the logit."""
        stacked = jnp.stack(maps, axis=-2).astype(jnp.float32)
        mixed = jnp.einsum("bs,bhwsf->bhwf", prediction.weights, stacked)
        return _logits(self.classifier, mixed)


class Spatial(_Weighing):
    """Softmax attention over the scales at each position of the branches' maps.

    The second map holds the weights, so that an image's weights are their mean over positions.
    """

    def __init__(self, **settings):
        super().__init__(**settings)
        self.grids = self.grids[:1] * 2

    def feature_maps(self, views: Maps, mask: Mask, examples: Mask) -> Maps:
        """The fused map ``[b, h, w, features]`` and the weights ``[b, h, w, scales]``, float32.

        On padding the fused map is zero, as the branches' maps are; the weights are not.
        """
        maps = super().feature_maps(views, mask, examples)
        weights = self._weights(maps)
        stacked = jnp.stack(maps, axis=-2).astype(jnp.float32)
        return [jnp.einsum("bhws,bhwsf->bhwf", weights, stacked), weights]

    def head(self, features: list[jax.Array]) -> Prediction:
        """See ``npr_jax.models.base.Model``; ``weights`` are means over positions, of sum 1."""
        return Prediction(_logits(self.classifier, features[0]), features[1])

    def position_logits(self, maps: list[jax.Array], prediction: Prediction) -> jax.Array:
        """What each position adds, float32 ``[b, h, w]``; the mean over positions is the logit."""
        del prediction
        return _logits(self.classifier, maps[0])

    def position_maps(self, maps: list[jax.Array]) -> dict[str, jax.Array]:
        """The weight of each scale at each position: float32 ``[b, h, w]`` by scale name."""
        return {f"weight {name}": maps[1][..., i] for i, name in enumerate(self.scales)}


def _logits(classifier: nnx.Linear, features: jax.Array) -> jax.Array:
    """The classifier's one output for features ``[..., width]``: float32 ``[...]``."""
    return classifier(features.astype(jnp.float32))[..., 0]
