"""SAFE: the finest diagonal wavelet band into NPR's cut ResNet-50, one logit for each class.

Li et al., "Improving Synthetic Image Detection Towards Generalization: An Image Transformation
Perspective", KDD 2025. 1,438,274 parameters: NPR's 1,437,761 and a second row of the classifier,
which is kept so that weights and AdamW's decay are the published ones.
"""

from npr_jax.models.classifier import resnet_classifier
from npr_jax.models.pretrained import torch_weights
from npr_jax.models.resnet import BACKBONES, CUT_RESNET50
from npr_jax.models.systems.system import Published, System, choice
from npr_jax.residuals.front_end import FrontEnd

# One-level DWT bior1.3 (symmetric), HH band, resized bilinearly to the image, over 255.
FRONT_END = FrontEnd(mode="hh", scale=(1.0 / 255.0,) * 3)


SYSTEM = System(
    build=lambda config, dtype, rngs: resnet_classifier(
        (FRONT_END,), BACKBONES[config.backbone], outputs=2, dtype=dtype, rngs=rngs
    ),
    rules={"backbone": choice(*BACKBONES)},
    paper="Li et al., Improving Synthetic Image Detection Towards Generalization, KDD 2025",
    # Its published evaluation cuts the centre 256 pixels at native size.
    published=Published(
        table=torch_weights.SAFE,
        build=lambda rngs: resnet_classifier((FRONT_END,), CUT_RESNET50, outputs=2, rngs=rngs),
        resize=0,
        crop=256,
    ),
)
