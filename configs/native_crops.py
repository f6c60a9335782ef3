"""NPR on crops of images at their own size, for small collections from the wild.

    python main.py prepare --source=FOLDERS --output=PREPARED
    python main.py --config=configs/native_crops.py --workdir=DIR --config.data.path=PREPARED
    python main.py --config=configs/native_crops.py:reencoded --workdir=DIR ...

Nothing is resized: where photographs and generated images differ in size, a resize would
itself leave traces that tell them apart. ``:reencoded`` saves both classes as JPEG of random
quality before training, and of the middle quality before evaluation, so that the file
format cannot tell them apart either.

A small collection leaves few images for validation, and what they say is luck: two runs with the
same seed, stopped by their AP on 118 images, ended after 51 and 19 epochs on two machines and
differed by 3.7 points of AUC. So nothing here depends on validation: training lasts 60 epochs, the
cosine brings the learning rate down to zero, and the last checkpoint is the one that counts,
because by then the weights have settled.

The network is NPR's (Tan et al., CVPR 2024); the crops are this project's, nothing is published for
them, and nothing has been measured with version 2 of the collection of docs/data.md; the recipe for
real pictures is wild.py. Cost: that of NPR on crops of 96 pixels a side in place of 224, for 60
epochs, and up to 4 GB of memory for decoded images per reading process.
"""

from configs import default


def get_config(variant: str = "as_they_lie"):
    """``as_they_lie`` or ``reencoded``."""
    if variant not in ("as_they_lie", "reencoded"):
        raise ValueError(f"native_crops.py:{variant}; expected as_they_lie or reencoded")
    config = default.get_config()
    config.num_epochs = 60
    config.optimizer.schedule = "cosine"
    config.best_checkpoint = "last"
    config.log_every_steps = 10

    data = config.data
    data.validation_fraction = 0.15
    data.test_split = "dev"
    data.resize = 0
    data.host_crop = 96
    data.crop = 96
    data.validation_crop = 256
    data.evaluate_resize = 0
    data.cache = 4000
    if variant == "reencoded":
        data.reencode = (60, 95)
    return config
