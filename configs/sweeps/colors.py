"""Which colour space the residual is taken in: NPR at factor 0.5, everything else equal.

    python main.py sweep --config=configs/sweeps/colors.py --workdir=DIR
    python main.py sweep --config=configs/sweeps/colors.py:full --workdir=DIR --side_by_side=5

The network is thin_resnet at ``small`` and the paper's cut_resnet50 at ``full``.
"""

from configs.sweeps.base import get_base, get_sweep

COLORS = ("rgb", "ycbcr", "lab", "differences")


def get_config(scale: str = "small"):
    """The sweep at ``small`` or ``full``."""
    variants = {color: {"model.colors": (color,)} for color in COLORS}
    return get_sweep(get_base(scale, backbone="cut_resnet50"), variants)
