"""FreqNet's published weights (Tan et al., AAAI 2024).

Keys as far as we know them, without having seen a file: ``weightN`` and ``biasN`` of the 1x1
convolutions between the spectra, N from 1 to 4, ``realconvN.weight`` and ``imagconvN.weight`` of
FCL, torchvision's for the two stages, ``fc1`` for the head. A file with other keys is refused
with the list of what does not fit.
"""

from __future__ import annotations

import re

from flax import nnx

from npr_jax.models.pretrained.published import Published
from npr_jax.models.pretrained.resnet_keys import bottleneck_rules, linear_rules
from npr_jax.models.pretrained.torch_weights import KeyRule, KeyTable, Path, matrix, same
from npr_jax.models.systems.freqnet import FreqNet

_PARTS = {"real": "real", "imag": "imaginary"}


def _layer(match: re.Match[str], *rest: str) -> Path:
    return ("frequency", int(match["layer"]) - 1, *rest)


TABLE = KeyTable(
    title="FreqNet",
    rules=(
        KeyRule(r"weight(?P<layer>[1-4])", lambda m: _layer(m, "conv", "kernel"), matrix),
        KeyRule(r"bias(?P<layer>[1-4])", lambda m: _layer(m, "bias"), same),
        KeyRule(
            r"(real|imag)conv(?P<layer>[1-4])\.weight",
            lambda m: _layer(m, _PARTS[m[1]], "kernel"),
            matrix,
        ),
        *bottleneck_rules(),
        *linear_rules("fc1", "classifier"),
    ),
)


def _build(rngs: nnx.Rngs) -> FreqNet:
    return FreqNet(rngs=rngs)


PUBLISHED = Published(name="freqnet", table=TABLE, build=_build, resize=256)
