"""CNNDetection: an ImageNet ResNet-50 on the pixels, trained with blur and JPEG.

    python main.py --config=configs/cnndetection.py --workdir=DIR --config.data.path=PREPARED \\
        --config.model.imagenet_weights=resnet50.pth
    python main.py --config=configs/cnndetection.py:0.1 --workdir=DIR ...

The text after the colon is the probability of the blur and, drawn apart, of the JPEG: the paper
trains one detector with 0.5 and one with 0.1.

Paper: Wang et al., "CNN-generated images are surprisingly easy to spot... for now", CVPR 2020.
Trained on ForenSynths ProGAN (20 classes) it is reported by Tan et al. (CVPR 2024) with accuracy
67.1 and AP 86.9 as Table 1's mean, 62.3 / 82.9 on Table 2 and 51.0 / 79.8 on Table 3.

The rate is divided by ten where validation accuracy has not risen by 0.1 % for five epochs.
Training ends when it would fall below 1e-6, after three such stalls; `num_epochs` is an upper
limit only.

Cost: 23,510,081 parameters and 10.4 GFLOP forward per image of 256x256 pixels (`main.py list`),
16 and 2.3 times NPR's.
"""

import ml_collections

from configs import default


def get_config(probability: str = "0.5"):
    """The recipe with blur and JPEG at ``probability``, the text after the colon."""
    config = default.get_config()
    config.model = ml_collections.ConfigDict(
        {
            "name": "cnndetection",
            "dtype": "float32",  # arithmetic: float32, bfloat16
            # torchvision_resnet50 (as published), resnet50 (3x3 stem) or a smaller one of
            # configs/default.py.
            "backbone": "torchvision_resnet50",
            # torchvision's ResNet-50 file (.pth or .safetensors), read when a run starts; empty:
            # random weights, which the paper does not use.
            "imagenet_weights": "",
        }
    )
    config.data.resize, config.data.resize_mode = 256, "short_side"
    config.data.host_crop, config.data.crop = 256, 224
    share = _parse_probability(probability)
    config.data.augment.blur_probability = config.data.augment.jpeg_probability = share
    config.data.evaluate_resize = 0  # the paper tests images at their own size
    config.batch_size = 64
    config.num_epochs = 200
    config.optimizer.learning_rate = 1e-4
    config.optimizer.schedule = "plateau"
    config.optimizer.decay_rate = 0.1
    return config


def _parse_probability(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"probability {text!r} is no number; write 0.5 or 0.1") from None
