"""Scales, fusions, modes, colours and systems on a small collection from the wild.

    python main.py prepare --source=REALWORLD --output=PREPARED
    python main.py sweep --config=configs/sweeps/realworld.py --workdir=DIR \\
        --config.base.data.path=PREPARED

Trained on ``train`` and tested on ``dev`` of a folder as docs/data.md describes it: crops of
96 pixels of images at their own size, both classes saved as JPEG alike. Of test images the centre
of 256 x 256 pixels is scored (smaller ones are padded by reflection), so that size tells nothing.
``as_they_lie`` is NPR without the JPEG, to show what the file format lends it.

Networks are thin (thin_resnet and the like), for two cores.
"""

from configs import default, native_crops
from configs.sweeps import systems
from configs.sweeps.base import get_sweep
from configs.sweeps.branches import multiscale_model

SEEDS = (0, 1, 2)
FUSED = {
    "0.25+0.5+0.75": ("attention", (0.25, 0.5, 0.75)),
    "0.5+0.5+0.5": ("attention", (0.5, 0.5, 0.5)),
    "mean": ("mean", (0.25, 0.5, 0.75)),
    "stacked": ("stack", (0.25, 0.5, 0.75)),
}


def get_config():
    """The sweep, on ``prepared/realworld`` unless ``base.data.path`` is another."""
    base = native_crops.get_config("reencoded")
    base.model.backbone = "thin_resnet"
    base.num_epochs = 30
    # As the table in docs/results was made.
    base.optimizer.schedule, base.best_checkpoint = "step", "validation_ap"
    base.optimizer.learning_rate = 2e-3
    base.optimizer.decay_rate = 0.5
    base.optimizer.decay_every_epochs = 10
    base.data.evaluate_crop = 256
    base.data.path = "prepared/realworld"
    variants: dict[str, dict] = {"0.5": {}, "as_they_lie": {"data.reencode": ()}}
    for factor in ("0.25", "0.75"):
        variants[factor] = {"model.factors": (default.parse_factor(factor),)}
    for name, (fusion, factors) in FUSED.items():
        variants[name] = {"model": multiscale_model(base, fusion, factors)}
    for mode in ("bilinear", "hh"):
        variants[mode] = {"model.modes": (mode,)}
    for color in ("ycbcr", "differences"):
        variants[color] = {"model.colors": (color,)}
    for name in ("cnndetection", "spectrum"):
        variants[name] = systems.recipe_settings(name, thin=True)
    sweep = get_sweep(base, variants)
    sweep.seeds = SEEDS
    return sweep
