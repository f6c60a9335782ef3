"""Residuals at three scales, a light branch each, softmax attention over the scales.

    python main.py --config=configs/multiscale_attention.py --workdir=DIR \\
        --config.data.path=PREPARED
    python main.py --config=configs/multiscale_attention.py:0.25,0.5 ...
    python main.py --config=configs/multiscale_attention.py:0.125,0.25,0.5,0.75 ...

After NPR (Tan et al., CVPR 2024); the attention is no paper's. A branch is a stem and two stages of
two basic blocks (64, then 128 channels), its feature the mean of 128 channels; a perceptron on all
features together gives softmax weights per image, and the weighted sum goes to a linear layer.
Optimizer, schedule, batch and epochs are NPR's. The weights are reported per image and per
generator.

Expected: nothing is published for it. Others' ablations of fusing 0.25, 0.5 and 0.75 found about no
gain over 0.5 alone (accuracy 95.79 and 95.76; 78.17 and 78.26 with AP falling); what it reaches on
the embedded data is in docs/results. Cost: 2,075,972 parameters and 6.9 GFLOP forward per image of
256x256 pixels with three scales (`main.py list`), 1.5 times NPR's.
"""

from configs import multiscale


def get_config(factors: str = "0.25,0.5,0.75"):
    """Attention over the residuals at ``factors``, comma-separated after the colon."""
    return multiscale.get_config(f"attention,{factors}")
