"""How should several scales be put together? Every fusion head on residuals at 0.25, 0.5, 0.75.

    python main.py sweep --config=configs/sweeps/fusion.py --workdir=DIR
    python main.py sweep --config=configs/sweeps/fusion.py:full --workdir=DIR --side_by_side=5

``fixed`` weighs the branches' features without learning: alike (which is ``mean``, so that the
two must agree up to rounding), halving from scale to scale, and one scale only, beside which the
other branches are idle. ``*_shared`` has one network for all scales in place of one for each.
``0.5`` alone is the peer. An ensemble of separately trained detectors needs no training of its
own: ``predict --workdir=A,B,C`` on runs of scales.py.

Networks have thin_resnet branches at ``small`` and light_resnet ones at ``full``.
"""

from configs.sweeps.base import get_base, get_sweep
from configs.sweeps.branches import multiscale_model

HEADS = ("stack", "mean", "concatenation", "attention", "spatial", "cross")
FIXED = {
    "fixed_equal": (1.0, 1.0, 1.0),
    "fixed_halving": (1.0, 0.5, 0.25),
    "fixed_only0.5": (0.0, 1.0, 0.0),
}
SHARED = ("mean", "concatenation", "attention", "spatial", "cross")
FACTORS = (0.25, 0.5, 0.75)


def get_config(scale: str = "small"):
    """The sweep at ``small`` or ``full``."""
    base = get_base(scale)
    models = {head: multiscale_model(base, head, FACTORS) for head in HEADS}
    for name, weights in FIXED.items():
        models[name] = multiscale_model(base, "fixed", FACTORS) | {"scale_weights": weights}
    for head in SHARED:
        models[f"{head}_shared"] = models[head] | {"share_branches": True}
    variants: dict[str, dict] = {"0.5": {}}
    variants |= {name: {"model": model} for name, model in models.items()}
    return get_sweep(base, variants)
