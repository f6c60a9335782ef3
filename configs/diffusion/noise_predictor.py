"""A small diffusion model of photographs: what DIRE reconstructs images with.

    python main.py noise_predictor --config=configs/diffusion/noise_predictor.py --workdir=DIR
    python main.py noise_predictor --config=configs/diffusion/noise_predictor.py --workdir=DIR \\
        --config.data.path=PREPARED --config.data.crop=128

Papers: Ho et al., NeurIPS 2020 (loss); Dhariwal and Nichol, NeurIPS 2021 (network). DIRE itself
uses the latter's published model of 256x256 pixels, which `reconstruct` reads as it is; this recipe
is for those who have no such file, or want a model of their own photographs. It learns from the
photographs of the training split, without --config.data.path from those of the embedded data.
There is no published number for it. What it costs and reaches is in docs/systems.md.
"""

import ml_collections

from configs import default


def get_config() -> ml_collections.ConfigDict:
    """744,843 parameters, on crops of 32 pixels at the images' own size."""
    config = ml_collections.ConfigDict()
    config.seed = 0  # of initial weights, noise, shuffling and the embedded data
    config.unet = get_unet()
    config.schedule = "linear"  # of the noise: linear, cosine
    config.diffusion_steps = 1000  # of the forward process

    config.data = get_data()
    config.batch_size = 16  # images per step
    config.num_steps = 1000
    config.learning_rate = 1e-3  # Adam's, constant
    config.ema = 0.995  # decay of the running mean of the parameters
    config.log_every_steps = 50
    config.checkpoint_every_steps = 250
    return config


def get_unet() -> ml_collections.ConfigDict:
    """The network; the published ADM is 256, (1, 1, 2, 2, 4, 4), 2, (8, 16, 32), 64, 32."""
    unet = ml_collections.ConfigDict()
    unet.channels = 24  # at full resolution
    unet.multipliers = (1, 2, 2)  # of the channels at 1, 1/2, 1/4 of the resolution
    unet.blocks = 1  # residual blocks at each resolution
    unet.attention = ()  # reductions with attention, as (4,); the middle always has one
    unet.head_channels = 24  # width of an attention head
    unet.groups = 8  # of the group normalisation
    return unet


def get_data() -> ml_collections.ConfigDict:
    """Where the photographs come from."""
    data = ml_collections.ConfigDict()
    data.path = ""  # a prepared data set, or several separated by commas; empty: embedded data
    data.train_split = "train"
    data.resize = 0  # pixels: photographs squashed to a square; 0: native size
    data.crop = 32  # pixels: random square cut at native size, where resize is 0
    data.workers = 0  # reader processes; 0: threads of this process
    data.photos = ""  # folder of your own photographs for the embedded data's scenes
    data.simulation = default.get_simulation()
    data.simulation.size = 64
    data.simulation.train_per_class = 800
    data.simulation.validation_per_class = 100
    data.simulation.test_per_family = 150
    return data
