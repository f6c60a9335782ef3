"""torchvision's ResNet-50 of ImageNet, as the start of a training: its classifier is dropped."""

from __future__ import annotations

from npr_jax.models.pretrained.resnet_keys import bottleneck_rules, stem_rules
from npr_jax.models.pretrained.torch_weights import COUNTERS, KeyTable

TABLE = KeyTable(
    title="torchvision's ResNet-50",
    rules=(*stem_rules("backbone"), *bottleneck_rules("backbone")),
    ignored=COUNTERS + r"|fc\.(weight|bias)",
    under=("backbone",),
)
