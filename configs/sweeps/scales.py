"""Does NPR gain from several scales? Each alone, together, and what else a gain could come from.

    python main.py sweep --config=configs/sweeps/scales.py --workdir=DIR
    python main.py sweep --config=configs/sweeps/scales.py:full --workdir=DIR --side_by_side=5

Where height and width are divisible by 4 the residuals at 0.5 and 0.75 are linear functions of
the one at 0.25, so that three scales show the network nothing that 0.25 alone does not
(docs/residuals.md). Whether more scales help all the same is told by the controls:

- ``0.25`` is at once the first of the scales alone and the control with all the information;
- ``0.5+0.5+0.5`` has the parameters and the attention of three scales, but sees one;
- ``stacked`` sees three scales as nine channels of a single network, without attention.

Networks have thin_resnet branches at ``small`` and light_resnet ones at ``full``.
"""

from configs.sweeps.base import get_base, get_sweep
from configs.sweeps.branches import multiscale_model

ALONE = (0.25, 0.5, 0.75)
TOGETHER = (
    (0.25, 0.5),
    (0.25, 0.75),
    (0.5, 0.75),
    (0.25, 0.5, 0.75),
    (0.125, 0.25, 0.5, 0.75),
    (0.5, 0.5, 0.5),
)


def get_config(scale: str = "small"):
    """The sweep at ``small`` or ``full``."""
    base = get_base(scale)
    variants: dict[str, dict] = {}
    for factor in ALONE:
        variants[f"{factor:g}"] = {"model.factors": (factor,)}
    for factors in TOGETHER:
        model = multiscale_model(base, "attention", factors)
        variants["+".join(f"{factor:g}" for factor in factors)] = {"model": model}
    variants["stacked"] = {"model": multiscale_model(base, "stack", (0.25, 0.5, 0.75))}
    return get_sweep(base, variants)
