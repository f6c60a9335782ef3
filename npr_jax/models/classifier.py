"""The network of most systems: views of an image, one backbone, one linear layer.

NPR, CNNDetection, DIRE, SAFE, LaDeDa and residuals stacked as channels are all this class; they
differ in their front ends, in their backbone and in how the linear layer starts.
"""

import jax
import jax.numpy as jnp
from flax import nnx

from npr_jax.models import layers
from npr_jax.models.base import Maps, Mask, Prediction
from npr_jax.models.patch_resnet import PatchResNet
from npr_jax.models.resnet import ResNet, ResNetShape
from npr_jax.residuals.front_end import FrontEnd


class Classifier(nnx.Module):
    """The views as channels of one image, a backbone, its mean over positions, a linear layer.

    With two outputs (photograph, generated) the logit is their difference: its sigmoid is the
    softmax's second probability, and its cross-entropy is the softmax's.
    """

    whole = False
    scales = ()

    def __init__(
        self,
        front_ends: tuple[FrontEnd, ...],
        backbone: ResNet | PatchResNet,
        *,
        outputs: int = 1,
        rngs: nnx.Rngs,
    ):
        """The backbone takes as many channels as the views, three each, have together.

        ``outputs`` of the linear layer: 1 or 2; ``rngs``'s stream ``params`` draws it.
        """
        self.front_ends = front_ends
        self.grids = (backbone.shape.grid,)
        self.backbone = backbone
        self.classifier = layers.torch_linear(backbone.shape.features, outputs, rngs=rngs)

    def feature_maps(self, views: Maps, mask: Mask, examples: Mask) -> Maps:
        """See ``npr_jax.models.base.Model``."""
        image = views[0] if len(views) == 1 else jnp.concatenate(views, axis=-1)
        return [self.backbone(image, mask, examples)]

    def head(self, features: list[jax.Array]) -> Prediction:
        """See ``npr_jax.models.base.Model``."""
        return Prediction(self._logits(features[0]), None)

    def position_logits(self, maps: list[jax.Array], prediction: Prediction) -> jax.Array:
        """What each position adds, float32 ``[b, h, w]``; the mean over positions is the logit.

        Zhou et al., Learning Deep Features for Discriminative Localization, CVPR 2016.
        """
        del prediction
        return self._logits(maps[0])

    def _logits(self, features: jax.Array) -> jax.Array:
        outputs = self.classifier(features.astype(jnp.float32))
        return outputs[..., 0] if outputs.shape[-1] == 1 else outputs[..., 1] - outputs[..., 0]


def resnet_classifier(
    front_ends: tuple[FrontEnd, ...],
    backbone: ResNetShape,
    *,
    outputs: int = 1,
    dtype=jnp.float32,
    rngs: nnx.Rngs,
) -> Classifier:
    """A ``Classifier`` on a ResNet; 1,437,761 parameters with one view and the cut ResNet-50.

    ``dtype`` is that of the ResNet's arithmetic; parameters and the linear layer are float32.
    """
    network = ResNet(backbone, channels=3 * len(front_ends), dtype=dtype, rngs=rngs)
    return Classifier(front_ends, network, outputs=outputs, rngs=rngs)
