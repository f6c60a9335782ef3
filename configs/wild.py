"""NPR at four scales, for real pictures as they arrive.

    python main.py --config=configs/wild.py --workdir=DIR --config.data.path=PICTURES,PAIRS \\
        "--config.data.weights=(1.0,1.0)"

The residuals at 1/8, 1/4, 1/2 and 3/4 are channels of one image for one small network. Nothing is
resized to a common size. Every picture goes through a random delivery: made smaller, saved again
once or twice, blurred. Labels, generators and sources of photographs weigh alike. The learning rate
ends at zero after a fixed number of steps and the weights are averaged, so that nothing depends on
a few validation images.

PICTURES is what ``prepare`` makes of photographs and generated images, PAIRS what ``pairs`` makes
of the photographs (docs/data.md, "Couples and deliveries"). What its parts are worth, and those
that it does without, is a question of configs/sweeps/wild.py. Nothing is published for this recipe.
Cost: 300,000 crops of 96 pixels.
"""

from configs import multiscale


def get_config():
    """See the module."""
    config = multiscale.get_config("stack,0.125,0.25,0.5,0.75")
    config.num_epochs = 10
    config.ema = 0.999
    config.best_checkpoint = "last"
    config.optimizer.name = "adamw"
    config.optimizer.learning_rate = 2e-3
    config.optimizer.b2 = 0.99
    config.optimizer.weight_decay = 0.01
    config.optimizer.schedule = "cosine"
    config.model.backbone = "shallow_resnet"

    data = config.data
    data.validation_fraction = 0.15  # for the calibration and for nothing else
    data.test_split = "dev"
    data.resize = 0
    data.host_crop = 96
    data.crop = 96
    data.validation_crop = 256
    data.evaluate_resize = 0
    data.balance = "generator"
    data.balance_power = 0.5  # evenly, a source of six photographs would be a fifth of all seen
    data.images_per_epoch = 30_000
    data.random_delivery.on = True
    # Photographs come as JPEG; and it breaks the invisible mark, whoever carries it.
    data.random_delivery.lossless_jpeg_probability = 1.0
    data.cache = 4000
    return config
