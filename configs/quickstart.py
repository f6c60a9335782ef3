"""A detector in a few minutes on two cores, from nothing: the demo.

    python main.py --config=configs/quickstart.py --workdir=runs/quickstart
    python main.py --config=configs/quickstart.py:multiscale_attention --workdir=DIR

The recipe of default.py on small simulated images and for few epochs. One family of
generated images (nearest up-sampling and convolution, as in ProGAN) is seen in training;
the others are seen in the test only.

Expected: a mean AP of the unseen families of 96.9 (npr, the one run that the README shows; earlier
ones 93.3 to 97.0). Cost: a little over two minutes to train and evaluate npr on
two cores.
"""

from configs import default, multiscale_attention


def get_config(system: str = "npr"):
    """``npr`` or ``multiscale_attention`` on simulated images of 64 pixels."""
    if system not in ("npr", "multiscale_attention"):
        raise ValueError(f"quickstart.py:{system}; expected npr or multiscale_attention")
    config = default.get_config() if system == "npr" else multiscale_attention.get_config()
    config.num_epochs = 8
    config.optimizer.learning_rate = 5e-4
    config.optimizer.decay_rate = 0.5
    config.optimizer.decay_every_epochs = 4
    config.log_every_steps = 20

    data = config.data
    data.resize = 0
    data.host_crop = 64
    data.crop = 64
    data.validation_split = "validation"
    data.validation_crop = 64
    data.evaluate_resize = 0
    data.simulation.size = 64
    data.simulation.train_per_class = 800
    data.simulation.validation_per_class = 100
    data.simulation.test_per_family = 150
    return config
