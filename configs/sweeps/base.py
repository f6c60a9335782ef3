"""What the sweeps of this folder have in common: two sizes of the embedded data, five seeds.

Both train on 2,000 images of 64 pixels per class and test on 500 per family. ``small`` is for two
cores: a thin network and two epochs, so that a run takes seconds. ``full`` is for a GPU: the
backbones of the recipes and eight epochs. Each is far below the published recipes; a sweep compares
settings with each other, not with a paper's table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ml_collections

from configs import quickstart

SCALES = ("small", "full")
SEEDS = (0, 1, 2, 3, 4)


def get_base(scale: str, *, backbone: str = "light_resnet") -> ml_collections.ConfigDict:
    """The recipe that all variants of a sweep change: NPR at factor 0.5 on simulated images.

    Args:
        scale: ``small`` or ``full``.
        backbone: of the networks at ``full``; at ``small`` it is thin_resnet.
    """
    if scale not in SCALES:
        raise ValueError(f"the scale {scale!r} after the colon; expected {' or '.join(SCALES)}")
    config = quickstart.get_config()
    config.log_every_steps = 50
    simulation = config.data.simulation
    if scale == "small":
        config.model.backbone = "thin_resnet"
        config.num_epochs = 2
        config.optimizer.learning_rate = 2e-3
        config.optimizer.decay_every_epochs = 1
    else:
        config.model.backbone = backbone
    simulation.train_per_class = 2000
    simulation.validation_per_class = 200
    simulation.test_per_family = 500
    return config


def get_sweep(
    base: ml_collections.ConfigDict, variants: Mapping[str, Mapping[str, Any]]
) -> ml_collections.ConfigDict:
    """A sweep over variants ``{name: {dotted setting: value}}`` of a base, with five seeds."""
    sweep = ml_collections.ConfigDict()
    sweep.base = base
    sweep.variants = tuple(
        {"name": name, "settings": dict(settings)} for name, settings in variants.items()
    )
    # Combined with every variant: (("optimizer.learning_rate", (1e-4, 2e-4)),), for example.
    sweep.grid = ()
    sweep.seeds = SEEDS
    return sweep
