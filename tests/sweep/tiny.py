"""A sweep of seconds, as a user's own file: --config=tests/sweep/tiny.py:DATA."""

import ml_collections

from tests import runs

VARIANTS = {"0.25": {"model.factors": (0.25,)}, "0.5": {"model.factors": (0.5,)}}


def get_config(data: str = "") -> ml_collections.ConfigDict:
    base = runs.tiny_config(data, model__backbone="thin_resnet", checkpoint_every_steps=1)
    variants = tuple({"name": name, "settings": settings} for name, settings in VARIANTS.items())
    return ml_collections.ConfigDict(
        {"base": base, "variants": variants, "grid": (), "seeds": (0, 1)}
    )
