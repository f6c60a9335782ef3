"""Models with several branches, for the sweeps that compare them."""

from __future__ import annotations

from typing import Any

import ml_collections

from configs import multiscale


def multiscale_model(
    base: ml_collections.ConfigDict, fusion: str, factors: tuple[float, ...]
) -> dict[str, Any]:
    """The section ``model`` with one branch per factor, with the backbone of the base."""
    listed = ",".join(f"{factor:g}" for factor in factors)
    recipe = multiscale.get_config(f"{fusion},{listed}")
    return recipe.model.to_dict() | {"backbone": base.model.backbone}
