"""How the reference image of the residual is resampled: four modes, and NPR's four phases.

    python main.py sweep --config=configs/sweeps/modes.py --workdir=DIR
    python main.py sweep --config=configs/sweeps/modes.py:full --workdir=DIR --side_by_side=5

All at factor 0.5. The phase of ``nearest`` is the pixel of each 2x2 block, (row, column), that
the others are compared with; the paper's is the top-left one. Its Table 7 reports that the choice
moves the mean of Table 1 between 87.5 and 92.5 % accuracy. ``hh`` is SAFE's wavelet band and
``none`` the pixels themselves; ``learned`` is bilinear with a factor that is trained from 0.5 on.

The network is thin_resnet at ``small`` and the paper's cut_resnet50 at ``full``.
"""

from configs.sweeps.base import get_base, get_sweep

MODES = ("bilinear", "bicubic", "area", "hh", "none")
PHASES = ((0, 0), (0, 1), (1, 0), (1, 1))


def get_config(scale: str = "small"):
    """The sweep at ``small`` or ``full``."""
    variants: dict[str, dict] = {
        f"nearest{row}{column}": {"model.modes": ("nearest",), "model.phases": ((row, column),)}
        for row, column in PHASES
    }
    variants["learned"] = {"model.modes": ("bilinear",), "model.learn_factors": (True,)}
    variants |= {mode: {"model.modes": (mode,)} for mode in MODES}
    return get_sweep(get_base(scale, backbone="cut_resnet50"), variants)
