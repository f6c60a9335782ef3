"""The tables of keys of the published detectors: most keep the names of torchvision's ResNets.

torchvision counts stages from 1 (``layer1``) and names a block's parts ``conv1``, ``bn1``, ...,
and ``downsample.0``, ``downsample.1`` for the shortcut's convolution and normalisation.
"""

from __future__ import annotations

import dataclasses
import re

import numpy as np

from npr_jax.models.pretrained.torch_weights import (
    COUNTERS,
    KeyRule,
    KeyTable,
    Path,
    fixed,
    kernel,
    matrix,
    same,
    transposed,
)

NORM = {"weight": "scale", "bias": "bias", "running_mean": "mean", "running_var": "var"}
NORM_LEAF = "(weight|bias|running_mean|running_var)"
_BLOCK = r"layer(\d)\.(\d+)\."


def kernel_or_matrix(array: np.ndarray) -> np.ndarray:
    """A convolution's weight as we keep it: 1x1 ones, which LaDeDa has here, as matrices."""
    return matrix(array) if array.shape[2:] == (1, 1) else kernel(array)


def norm_rule(name: str, *path: str | int) -> KeyRule:
    """The four arrays of the batch normalisation ``name`` (a regular expression)."""
    return KeyRule(rf"{name}\.{NORM_LEAF}", lambda m: (*path, NORM[m[m.re.groups]]), same)


def linear_rules(name: str, *path: str | int) -> tuple[KeyRule, ...]:
    """Weight and bias of a linear layer."""
    return (
        KeyRule(rf"{name}\.weight", fixed(*path, "kernel"), transposed),
        KeyRule(rf"{name}\.bias", fixed(*path, "bias"), same),
    )


def stem_rules(*root: str | int) -> tuple[KeyRule, ...]:
    """The first convolution and its normalisation."""
    convolution = KeyRule(r"conv1\.weight", fixed(*root, "conv1", "kernel"), kernel)
    return convolution, norm_rule("bn1", *root, "bn1")


def bottleneck_rules(*root: str | int) -> tuple[KeyRule, ...]:
    """All stages of bottleneck blocks, below the path ``root``."""

    def block(match: re.Match[str]) -> Path:
        return (*root, "stages", int(match[1]) - 1, int(match[2]))

    return (
        KeyRule(
            _BLOCK + r"conv([13])\.weight", lambda m: (*block(m), f"conv{m[3]}", "kernel"), matrix
        ),
        KeyRule(
            _BLOCK + r"conv2\.weight", lambda m: (*block(m), "conv2", "kernel"), kernel_or_matrix
        ),
        KeyRule(
            _BLOCK + rf"bn([123])\.{NORM_LEAF}",
            lambda m: (*block(m), f"bn{m[3]}", NORM[m[4]]),
            same,
        ),
        *_shortcut_rules(block),
    )


def _shortcut_rules(block) -> tuple[KeyRule, ...]:
    return (
        KeyRule(
            _BLOCK + r"downsample\.0\.weight",
            lambda m: (*block(m), "projection", "conv", "kernel"),
            matrix,
        ),
        KeyRule(
            _BLOCK + rf"downsample\.1\.{NORM_LEAF}",
            lambda m: (*block(m), "projection", "bn", NORM[m[3]]),
            same,
        ),
    )


# Tan et al., CVPR 2024.
NPR = KeyTable(
    title="the NPR detector",
    rules=(
        *stem_rules("backbone"),
        *bottleneck_rules("backbone"),
        *linear_rules("fc1", "classifier"),
    ),
)
# Li et al., KDD 2025: the keys of the code that SAFE builds on; we have not seen a file. The two
# rows of the head tell the file from NPR's.
SAFE = dataclasses.replace(NPR, title="SAFE")
# Wang et al., CVPR 2020: torchvision's keys, one output.
CNNDETECTION = KeyTable(
    title="the CNNDetection detector",
    rules=(
        *stem_rules("backbone"),
        *bottleneck_rules("backbone"),
        *linear_rules("fc", "classifier"),
    ),
)
# torchvision's ResNet-50 of ImageNet, as the start of a training: its classifier is dropped.
IMAGENET = KeyTable(
    title="torchvision's ResNet-50",
    rules=(*stem_rules("backbone"), *bottleneck_rules("backbone")),
    ignored=COUNTERS + r"|fc\.(weight|bias)",
    under=("backbone",),
)
# Cavia et al., 2024, under the names of the BagNet that it is built on. Known from the papers: the
# layers and their shapes. Not known to us, since the published code was not read: whether the
# residual is multiplied by NPR's 2/3 (we do), and whether its authors renamed a layer (a file that
# differs is refused with the keys at fault).
LADEDA = KeyTable(
    title="the LaDeDa detector",
    rules=(
        KeyRule(r"conv1\.weight", fixed("backbone", "conv1", "kernel"), matrix),
        KeyRule(r"conv2\.weight", fixed("backbone", "conv2", "kernel"), kernel),
        norm_rule("bn1", "backbone", "bn1"),
        *bottleneck_rules("backbone"),
        *linear_rules("fc", "classifier"),
    ),
)

_PARTS = {"real": "real", "imag": "imaginary"}


def _frequency_layer(match: re.Match[str], *rest: str) -> Path:
    return ("frequency", int(match["layer"]) - 1, *rest)


# Tan et al., AAAI 2024. Keys as far as we know them, without having seen a file: ``weightN`` and
# ``biasN`` of the 1x1 convolutions between the spectra, N from 1 to 4, ``realconvN.weight`` and
# ``imagconvN.weight`` of FCL, torchvision's for the two stages, ``fc1`` for the head.
FREQNET = KeyTable(
    title="FreqNet",
    rules=(
        KeyRule(r"weight(?P<layer>[1-4])", lambda m: _frequency_layer(m, "conv", "kernel"), matrix),
        KeyRule(r"bias(?P<layer>[1-4])", lambda m: _frequency_layer(m, "bias"), same),
        KeyRule(
            r"(real|imag)conv(?P<layer>[1-4])\.weight",
            lambda m: _frequency_layer(m, _PARTS[m[1]], "kernel"),
            matrix,
        ),
        *bottleneck_rules(),
        *linear_rules("fc1", "classifier"),
    ),
)
