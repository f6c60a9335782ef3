"""The keys of torchvision's ResNets, which most published detectors keep, and our paths.

torchvision counts stages from 1 (``layer1``) and names a block's parts ``conv1``, ``bn1``, ...,
and ``downsample.0``, ``downsample.1`` for the shortcut's convolution and normalisation.
"""

from __future__ import annotations

import re

import numpy as np

from npr_jax.models.pretrained.torch_weights import (
    KeyRule,
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
