"""Residuals at three scales, a light branch each, softmax attention over the scales.

    python main.py --config=configs/multiscale_attention.py --workdir=DIR \\
        --config.data.path=PREPARED
    python main.py --config=configs/multiscale_attention.py:0.25,0.5 ...

The attention's weights are reported per image and per generator.
"""

from configs import default


def get_config(factors: str = "0.25,0.5,0.75"):
    """Attention over the residuals at ``factors``, comma-separated after the colon."""
    config = default.get_config()
    config.model.name = "multiscale_attention"
    config.model.factors = tuple(map(default.parse_factor, factors.split(",")))
    config.model.backbone = "light_resnet"
    config.model.attention_features = 128  # hidden units of the attention
    return config
