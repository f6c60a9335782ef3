"""NPR as published, at any single factor.

    python main.py --config=configs/npr.py --workdir=DIR --config.data.path=PREPARED
    python main.py --config=configs/npr.py:0.25 --workdir=DIR ...

Paper: Tan et al., CVPR 2024. Trained on ForenSynths ProGAN (car, cat, chair, horse) it
reports 92.5 accuracy / 96.1 AP as Table 1's mean; strangers who retrain the recipe report
about 79.7 / 92.3, mostly a shift of the threshold. Means of the other tables: 93.2 / 96.6 (2),
95.3 / 99.8 (3), 95.2 / 97.4 (4), 80.1 / 84.8 (5).

Cost: 1,437,761 parameters and 4.5 GFLOP forward per image of 256x256 pixels (`main.py list`);
images per second beside PyTorch are in docs/benchmarks.md. 50 epochs of 144,024 images of 224
pixels are a matter for a GPU.
"""

from configs import default


def get_config(factor: str = "0.5"):
    """The recipe with the residual at ``factor``, the text after the colon."""
    config = default.get_config()
    config.model.factors = (default.parse_factor(factor),)
    return config
