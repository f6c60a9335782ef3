"""FreqNet: high frequencies of images and feature maps, convolutions of their spectra.

    python main.py --config=configs/freqnet.py --workdir=DIR --config.data.path=PREPARED

Paper: Tan et al., "Frequency-Aware Deepfake Detection", AAAI 2024. Trained as NPR. Its
published numbers are not in our facts, so none are given here; the parameters, 1,850,433, are
the published 1.85 million. What the paper leaves open: weights start as NPR's do, biases at 0.

Expected numbers, of our own small sweep only: AP 58.7 ± 6.3 on the family trained on; over the
seven unseen AP 55.9 ± 3.8 and AUC 56.1 ± 4.5 (percent; thin network, 250 steps, simulated images,
five seeds; docs/results/tables.md, section systems).

Cost: 10.9 GFLOP forward per image of 256x256 pixels (`main.py list`), 2.4 times NPR's;
transforms of 64 channels at the image's full size make it slower than NPR, most on a CPU.
Images are seen whole, so a large one is scored at once and needs memory in proportion.
"""

import ml_collections

from configs import default


def get_config() -> ml_collections.ConfigDict:
    """The published recipe: NPR's optimizer, schedule and data."""
    config = default.get_config()
    config.model = ml_collections.ConfigDict()
    config.model.name = "freqnet"
    config.model.dtype = "float32"  # outside the transforms, which are float32: or bfloat16
    config.model.width = 64  # channels of the first layer; the last has eight times as many
    return config
