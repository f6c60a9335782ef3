"""Residuals at several scales, fused in one of several ways: the ablations of the attention.

    python main.py --config=configs/multiscale.py:mean --workdir=DIR --config.data.path=PREPARED
    python main.py --config=configs/multiscale.py:spatial,0.25,0.5 ...

After the colon: the fusion, and the factors if not 0.25, 0.5 and 0.75.

* stack: the residuals as channels of one image, into one network (the only one without branches)
* mean, concatenation: of the branches' features
* fixed: a mean with weights that are given (model.scale_weights) and not learned
* attention: softmax weights per image, with its default factors configs/multiscale_attention.py
* spatial: softmax weights per position, which give a map
* cross: cross attention between the scales and a frequency branch (FFT log-amplitude)

An ensemble of separately trained detectors needs no config: ``predict --workdir=A,B,C``.

Published: nothing for most of these. Others' ablations of fusing 0.25, 0.5 and 0.75 found about no
gain over 0.5 alone (accuracy 95.79 and 95.76; 78.17 and 78.26 with AP falling).
Cost: three light branches take about three times one, see docs/benchmarks.md, "Branches".
"""

from configs import default


def get_config(variant: str = "attention"):
    """``fusion`` or ``fusion,factor,factor,...``."""
    fusion, *factors = variant.split(",")
    config = default.get_config()
    model = config.model
    model.name = "multiscale"
    model.fusion = fusion  # one of those above: how the residuals become one logit
    model.factors = tuple(map(default.parse_factor, factors or ("0.25", "0.5", "0.75")))
    model.backbone = "light_resnet"
    # One network for all residuals; its batch statistics are those of all residuals together.
    model.share_branches = False
    # Separate networks as one computation: the same results, faster or slower by machine.
    model.batch_branches = False
    model.attention_features = 128  # attention, spatial: hidden units; cross: length of a token
    model.attention_heads = 4  # cross: of each of the two attentions
    # fixed: one weight for each residual, divided by their sum; others: ().
    model.scale_weights = (1.0,) * len(model.factors) if fusion == "fixed" else ()
    return config
