"""UnivFD: a linear layer on frozen CLIP ViT-L/14 embeddings.

    python main.py --config=configs/univfd.py --workdir=DIR --config.data.path=PREPARED \\
        --config.model.weights=CLIP.safetensors

Paper: Ojha et al., "Towards Universal Fake Image Detectors that Generalize Across Generative
Models", CVPR 2023. 769 trained parameters; the tower's 303,966,208 come from your file, published
by OpenAI or Hugging Face (``.safetensors``, or ``.pth`` with the extra `torch`; OpenAI's own
TorchScript download must first be saved as a state dict). Without a file the tower holds random
numbers and the detector is worth nothing: that is only for trying the path, and the log says so.
The linear layer that the authors publish needs no training:

    python main.py predict --weights=fc_weights.pth,CLIP.safetensors PICTURE...

Expected, accuracy/AP as means of tables 1 to 5 of NPR's paper (Tan et al., CVPR 2024), which
publishes them: 89.1/98.3, 77.6/98.8, 74.4/91.7, 86.9/94.5, 66.4/73.9. Not measured here, where no
published weights are at hand.

Embeddings are computed once for each image, with one draw of crop, blur and JPEG instead of a new
one in every epoch as published, and kept in the workdir (3 kB an image): cost is one pass of the
tower over the images (about 162 GFLOP each), after which an epoch takes seconds. The paper gives no
number of epochs.
"""

import ml_collections

from configs import default


def get_config():
    """Adam 1e-4, batch 256, blur and JPEG with probability 0.5."""
    config = default.get_config()
    config.model = get_model()
    config.batch_size = 256
    config.num_epochs = 50
    config.early_stopping_epochs = 5
    config.optimizer.learning_rate = 1e-4
    config.optimizer.decay_rate = 1.0

    data = config.data
    data.resize = 0
    data.host_crop = 224
    data.crop = 224
    data.flip = False
    data.validation_crop = 224
    data.evaluate_resize = 0
    data.evaluate_crop = 224
    data.augment.blur_probability = 0.5
    data.augment.jpeg_probability = 0.5
    return config


def get_model() -> ml_collections.ConfigDict:
    """The vision tower."""
    model = ml_collections.ConfigDict()
    model.name = "univfd"
    model.dtype = "float32"  # arithmetic of the tower: float32, bfloat16
    model.weights = ""  # file of CLIP's published weights; empty: random numbers, for trials
    # The tower's shape, which must be that of the file: ViT-L/14.
    model.image_side = 224  # pixels: images it takes; crop, validation_crop, evaluate_crop too
    model.patch = 14  # pixels: side of a patch
    model.width = 1024  # features of a token
    model.layers = 24  # transformer blocks
    model.heads = 16  # of the attention
    model.hidden = 4096  # units of the feed-forward layers
    model.projection = 768  # features of the embedding
    return model
