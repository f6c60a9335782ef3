"""The systems on the same images, with the same number of steps.

    python main.py sweep --config=configs/sweeps/systems.py --workdir=DIR
    python main.py sweep --config=configs/sweeps/systems.py:full --workdir=DIR --side_by_side=5

Of each system's recipe the network and the augmentation (``data.augment``) are taken; optimizer,
epochs, sizes and mirroring are those of the sweep for all, but for the linear baseline, which
needs a higher rate. Published rates and schedules are made for other numbers of steps, and
CNNDetection starts from random weights here, not from ImageNet's: what is compared is networks
on little data, not the published detectors.

Not among them: UnivFD, whose tower is a file of the user's (``--config=configs/univfd.py``);
DIRE, which is trained on reconstruction errors made beforehand (docs/systems.md); the metadata
baseline, because simulated images are pixels without metadata. The baselines of the simulation
stand in every run's ``results.json``.

At ``small`` networks are thin: thin_resnet, thin_patch, FreqNet with 16 channels.
"""

from typing import Any

from configs import cnndetection, freqnet, ladeda, npr, safe, spectrum
from configs.sweeps.base import get_base, get_sweep
from configs.sweeps.branches import multiscale_model

RECIPES = {
    "npr": npr,
    "cnndetection": cnndetection,
    "freqnet": freqnet,
    "ladeda": ladeda,
    "safe": safe,
    "spectrum": spectrum,
}
THIN = {
    "npr": {"backbone": "thin_resnet"},
    "cnndetection": {"backbone": "thin_resnet"},
    "freqnet": {"width": 16},
    "ladeda": {"backbone": "thin_patch"},
    "safe": {"backbone": "thin_resnet"},
}
# Runs of some hundred steps: LaDeDa's published momentum would leave its statistics at the start.
SHORT = {"ladeda": {"stem_momentum": 0.1}}
OWN = {"spectrum": {"optimizer.learning_rate": 1e-2}}


def recipe_settings(name: str, *, thin: bool) -> dict[str, Any]:
    """What a recipe changes of a sweep's base: network, augmentation, and its own rate if any."""
    config = RECIPES[name].get_config()
    model = config.model.to_dict() | SHORT.get(name, {}) | (THIN.get(name, {}) if thin else {})
    return {"model": model, "data.augment": config.data.augment.to_dict()} | OWN.get(name, {})


def get_config(scale: str = "small"):
    """The sweep at ``small`` or ``full``."""
    base = get_base(scale)
    variants = {name: recipe_settings(name, thin=scale == "small") for name in RECIPES}
    for factors in ((0.25, 0.5), (0.25, 0.5, 0.75), (0.125, 0.25, 0.5, 0.75)):
        model = multiscale_model(base, "attention", factors)
        variants[f"multiscale_attention{len(factors)}"] = {"model": model}
    return get_sweep(base, variants)
