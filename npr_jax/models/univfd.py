"""UnivFD: a frozen CLIP image embedding and one trained linear layer."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from npr_jax.models import layers
from npr_jax.models.base import Frozen, Grid, Prediction
from npr_jax.models.clip import CLIP_MEAN, CLIP_STD, VIT_L14, ClipShape, ClipVision
from npr_jax.residuals.front_end import rgb_front_end


class UnivFD(nnx.Module):
    """Ojha et al., "Towards Universal Fake Image Detectors ...", CVPR 2023, section 4.2.

    769 trained parameters on the 768 features of ViT-L/14, which are not scaled to length 1.
    """

    whole = True
    scales = ()

    def __init__(
        self,
        shape: ClipShape = VIT_L14,
        *,
        dtype=jnp.float32,
        tower_rngs: nnx.Rngs | None = None,
        rngs: nnx.Rngs,
    ):
        """Args:
        shape: of the vision tower.
        dtype: of the tower's arithmetic; the linear layer's is float32.
        tower_rngs: draws the tower's numbers; None: they are zero, to be loaded.
        rngs: draws the linear layer's.
        """
        self.front_ends = (rgb_front_end(CLIP_MEAN, CLIP_STD),)
        self.grids = (Grid(stride=1, reach=shape.image_side),)
        self.image_side = shape.image_side
        self.tower = ClipVision(shape, kind=Frozen, dtype=dtype, rngs=tower_rngs)
        self.classifier = layers.torch_linear(shape.projection, 1, rngs=rngs)

    def feature_maps(
        self, views: list[jax.Array], mask: jax.Array | None, examples: jax.Array | None
    ) -> list[jax.Array]:
        """See ``npr_jax.models.base.Model``; one position, the embedding."""
        del mask, examples
        return [self.tower(views[0])[:, None, None, :]]

    def head(self, features: Sequence[jax.Array]) -> Prediction:
        """See ``npr_jax.models.base.Model``."""
        return Prediction(self.classifier(features[0])[:, 0], None)
