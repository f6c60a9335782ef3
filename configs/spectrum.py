"""The plain frequency baseline: logistic regression on the radial power spectrum.

    python main.py --config=configs/spectrum.py --workdir=DIR --config.data.path=PREPARED

Grey windows side by side, Hann-weighted; the power of each, averaged over rings of equal
frequency, in logarithms, standardised, averaged over the windows, one linear layer. What a
detector gains over this is not in the second-order statistics.

After Durall et al., "Watch your Up-Convolution", CVPR 2020, who take the spectrum of the whole
image; their numbers are on faces and not comparable. Cost: 18 parameters,
0.02 GFLOP per image of 256x256 pixels (`main.py list`): reading the images takes longer.

Expected numbers, of our own small sweep only: AP 58.4 ± 2.8 on the family trained on; over the
seven unseen AP 52.5 ± 2.2 and AUC 53.2 ± 1.5 (percent; 250 steps, simulated images, five seeds;
docs/results/tables.md, section systems).
"""

import ml_collections

from configs import default


def get_config():
    """Adam at a rate fit for a linear layer, for some epochs."""
    config = default.get_config()
    config.model = ml_collections.ConfigDict(
        {
            "name": "spectrum",
            "dtype": "float32",  # a Fourier transform is computed in float32 whatever this says
            "window": 32,  # pixels, side of the windows: 8, 16 or 32
        }
    )
    config.optimizer.learning_rate = 1e-2
    config.num_epochs = 20
    return config
