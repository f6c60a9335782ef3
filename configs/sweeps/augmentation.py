"""What blur and JPEG compression, and mirroring, do in training: NPR with each on and off.

    python main.py sweep --config=configs/sweeps/augmentation.py --workdir=DIR
    python main.py sweep --config=configs/sweeps/augmentation.py:full --workdir=DIR \\
        --side_by_side=5

Blur and JPEG come with CNNDetection's probabilities of 0.1 and 0.5 (Wang et al., CVPR 2020,
section 3.3): sigma from 0 to 3 pixels, then quality 30 to 100. The test images are clean; how the
same detectors do after delivery by a network is told by
``--config.base.data.delivery=web`` (another --workdir).

The network is thin_resnet at ``small`` and the paper's cut_resnet50 at ``full``.
"""

from configs.sweeps.base import get_base, get_sweep


def get_config(scale: str = "small"):
    """The sweep at ``small`` or ``full``."""
    variants = {
        "flip": {},
        "none": {"data.flip": False},
        "blur0.5": blurred(0.5),
        "jpeg0.5": compressed(0.5),
        "blur_jpeg0.1": blurred(0.1) | compressed(0.1),
        "blur_jpeg0.5": blurred(0.5) | compressed(0.5),
        "blur_jpeg0.5_no_flip": blurred(0.5) | compressed(0.5) | {"data.flip": False},
    }
    return get_sweep(get_base(scale, backbone="cut_resnet50"), variants)


def blurred(probability: float) -> dict:
    """Gaussian blur of training images."""
    return {"data.augment.blur_probability": probability}


def compressed(probability: float) -> dict:
    """A trip of training images through JPEG."""
    return {"data.augment.jpeg_probability": probability}
