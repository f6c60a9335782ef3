"""NPR for real pictures as they arrive.

    python main.py --config=configs/wild.py --workdir=DIR --config.data.path=PICTURES,PAIRS \\
        "--config.data.weights=(1.0,1.0)"

Nothing is resized to a common size. A photograph stands beside each generated image of a batch, and
both go through the same random delivery: resized, saved again once or twice, blurred, with noise.
Labels, generators and sources of photographs weigh alike. The learning rate ends at zero after a
fixed number of steps and the weights are averaged, so that nothing depends on a few validation
images.

PICTURES is what ``prepare`` makes of photographs and generated images, PAIRS what ``pairs`` makes
of the photographs (docs/data.md, "Couples and deliveries"). What each part is worth is a question
of configs/sweeps/wild.py. Nothing is published for this recipe. Cost: 300,000 crops of 96 pixels.
"""

from configs import default


def get_config():
    """See the module."""
    config = default.get_config()
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
    data.couples = True
    data.blend_probability = 0.5
    # Photographs that were blurred or enlarged look generated to a detector that knows little of
    # these (docs/detector.md, "After other changes").
    delivery = data.random_delivery
    delivery.on = True
    delivery.scale_probability = 0.5
    delivery.scale = (0.4, 2.0)
    delivery.blur_probability = 0.2
    delivery.blur_sigma = (0.3, 3.0)
    delivery.noise_probability = 0.2
    delivery.noise_sigma = (1.0, 16.0)
    data.cache = 4000
    return config
