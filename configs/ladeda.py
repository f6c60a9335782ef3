"""LaDeDa: the NPR residual judged in patches of 9x9 pixels, whose scores are averaged.

    python main.py --config=configs/ladeda.py --workdir=DIR --config.data.path=PREPARED
    python main.py predict --workdir=DIR --maps=MAPS FOLDER      # the patches' scores

Paper: Cavia et al., "Real-Time Deepfake Detection in the Real-World", 2024. Its numbers are not
among the facts this project was written from, so none is given here.

Expected numbers, of our own small sweep only: AP 99.9 ± 0.0 on the family trained on; over the
seven unseen AP 93.5 ± 1.7 and AUC 93.5 ± 1.8 (percent; thin network, 250 steps, ``stem_momentum``
0.1, simulated images, five seeds; docs/results/tables.md, section systems).

Cost: 13,641,793 parameters and 42.2 GFLOP forward per image of 256x256 pixels (`main.py list`),
9.5 times NPR's.
"""

import ml_collections

from configs import default


def get_config():
    """The published recipe: Adam 2e-4, batch 32, as NPR."""
    config = default.get_config()
    config.model = ml_collections.ConfigDict(
        {
            "name": "ladeda",
            "dtype": "float32",  # arithmetic: float32, bfloat16
            "factors": (0.5,),  # down-sampling factor of the residual, in (0, 1)
            # Resize of the residual: nearest, bilinear, bicubic, area; or hh, none.
            "modes": ("nearest",),
            "phases": ((0, 0),),  # pixels: (row, column) of nearest's reference in its block
            "colors": ("rgb",),  # rgb, ycbcr, lab, differences
            "learn_factors": (False,),  # whether the factor is trained (mode bilinear)
            # ladeda9 (as published) or thin_patch (a block of each stage, few channels).
            "backbone": "ladeda9",
            # Share of a batch in the stem's running statistics; 0.1 for runs under some
            # thousand steps, whose statistics 0.001 would leave where they began.
            "stem_momentum": 0.001,
        }
    )
    return config
