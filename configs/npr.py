"""NPR as published, at any single factor.

    python main.py --config=configs/npr.py --workdir=DIR --config.data.path=PREPARED
    python main.py --config=configs/npr.py:0.25 --workdir=DIR ...

Paper: Tan et al., CVPR 2024. Trained on ForenSynths ProGAN (car, cat, chair, horse) it
reports 92.5 accuracy / 96.1 AP as Table 1's mean; strangers who retrain the recipe report
about 79.7 / 92.3, mostly a shift of the threshold.
"""

from configs import default


def get_config(factor: str = "0.5"):
    """The recipe with the residual at ``factor``, the text after the colon."""
    config = default.get_config()
    config.model.factors = (default.parse_factor(factor),)
    return config
