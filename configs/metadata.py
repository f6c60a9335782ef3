"""The metadata-only baseline: what the files tell without a pixel.

    python main.py prepare --source=FOLDERS --output=PREPARED --storage=encoded
    python main.py --config=configs/metadata.py --workdir=DIR --config.data.path=PREPARED

A perceptron on format, height, width, bytes per pixel, JPEG's luminance table and whether colour
is sub-sampled. It needs the files as they were found: simulated images and data sets with
``--storage=decoded`` have no metadata. Every evaluation of original files also reports a forest on
the same features (docs/evaluation.md) without any training of yours; this recipe is for those who
want its scores image by image, from ``predict`` and ``evaluate``, beside a detector's.

Expected: nothing is published; 50 AUC where both classes were saved alike, near 100 where, as in
DIRE's published data, one class is JPEG and the other PNG (docs/data.md has a collection where
that is nearly so). Cost: 417 parameters; reading the files takes all the time.
"""

import ml_collections

from configs import default


def get_config():
    """Adam 1e-3, batch 32, 20 epochs."""
    config = default.get_config()
    config.model = ml_collections.ConfigDict(
        {
            "name": "metadata",
            "dtype": "float32",  # computed in float32 whatever this says
            "hidden": 32,  # units of the hidden layer
        }
    )
    config.num_epochs = 20
    config.optimizer.learning_rate = 1e-3
    data = config.data
    # The metadata travel as pictures of 32 pixels; nothing may change them.
    data.resize = data.evaluate_resize = 0
    data.host_crop = data.crop = data.validation_crop = data.evaluate_crop = 32
    data.flip = False
    return config
