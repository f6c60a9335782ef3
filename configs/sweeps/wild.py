"""What each part of configs/wild.py is worth, and which residuals find real generated pictures.

    python main.py sweep --config=configs/sweeps/wild.py:ingredients --workdir=DIR
    python main.py sweep --config=configs/sweeps/wild.py:residuals --workdir=DIR
    python main.py sweep --config=configs/sweeps/wild.py:longer --workdir=DIR

Trained on ``train`` of real pictures and on reconstructions of its photographs, tested on ``dev``,
whose generators were not trained on, after each delivery; docs/data.md says how both data sets are
prepared. Two runs of ``ingredients`` want other reconstructions: ``reconstructions_2``, made with
``--per_photograph=2 --decoders=vae4,fir``, and ``reconstructions_5``, made with
``--per_photograph=4 --decoders=vae4,vq4,fir,transposed4,shuffle2``.

Every run has the same budget, 12,000 crops of 96 pixels; ``longer`` repeats the best residuals and
their controls with 36,000. Of test images the centre of 256 x 256 pixels is scored. All runs but
those of ``stronger_delivery`` train with the blur, the noise and the enlargement that the recipe
had before these were made stronger.
"""

from collections.abc import Mapping
from typing import Any

from configs import default, wild
from configs.sweeps.base import get_sweep
from configs.sweeps.branches import multiscale_model

PICTURES, RECONSTRUCTIONS = "prepared/realworld", "prepared/reconstructions"
CROPS = 12_000
QUESTIONS = ("ingredients", "residuals", "longer")
# What runs with more steps: NPR, what did best in few, and what a gain of it could come from.
FINALISTS = (
    *("0.5", "four_scales", "stacked_four", "attention", "stacked", "three_of_0.5"),
    *("0.25", "two_scales", "published"),
)
# What the recipe has made stronger since the first runs of these sweeps.
STRONGER = (
    *("scale_probability", "scale", "blur_probability", "blur_sigma"),
    *("noise_probability", "noise_sigma"),
)


def get_config(question: str = "ingredients"):
    """``ingredients`` with three seeds, ``residuals`` with two, ``longer`` with five."""
    if question not in QUESTIONS:
        raise ValueError(f"wild.py:{question}; expected one of {', '.join(QUESTIONS)}")
    base = wild.get_config()
    base.data.path = f"{PICTURES},{RECONSTRUCTIONS}"
    base.data.weights = (1.0, 1.0)
    base.data.images_per_epoch = CROPS
    base.num_epochs = 1
    base.ema = 0.99  # the mean of about a quarter of the 375 steps
    base.data.evaluate_crop = 256
    delivery, usual = base.data.random_delivery, default.get_config().data.random_delivery
    stronger = {f"data.random_delivery.{name}": delivery[name] for name in STRONGER}
    delivery.update({name: usual[name] for name in STRONGER})
    if question == "ingredients":
        sweep = get_sweep(base, ingredients(stronger))
        sweep.seeds = (0, 1, 2)
    elif question == "residuals":
        sweep = get_sweep(base, residuals(base))
        sweep.seeds = (0, 1)
    else:
        base.data.images_per_epoch = 3 * CROPS
        base.ema = 0.9967  # of the 1,125 steps, too, the mean of about a quarter
        sweep = get_sweep(base, {name: residuals(base)[name] for name in FINALISTS})
    sweep.deliveries = ("clean", "web", "hard")
    return sweep


def ingredients(stronger: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The recipe, and without one part each; with the consistency of views, and with less data.

    ``stronger``: the settings of ``STRONGER`` as the recipe has them now.
    """
    off = {f"data.random_delivery.{name}_probability": 0.0 for name in ("thumbnail", "scale")}
    saved = {
        f"data.random_delivery.{name}_probability": 0.0 for name in ("jpeg", "webp", "second_jpeg")
    }
    alone = {"data.weights": ()}
    return {
        "all": {},
        "no_reconstructions": {"data.path": PICTURES, **alone, "data.blend_probability": 0.0},
        # Nearly: the pictures stay for their test split, and an epoch draws a dozen of them.
        "only_reconstructions": {"data.weights": (1e-6, 1.0)},
        "no_blend": {"data.blend_probability": 0.0},
        "no_scale": off,
        "no_compression": saved,
        "no_delivery": off | saved | {"data.random_delivery.lossless_jpeg_probability": 0.0},
        "no_lossless_jpeg": {"data.random_delivery.lossless_jpeg_probability": 0.0},
        "no_couples": {"data.couples": False, "data.blend_probability": 0.0},
        "no_balance": {"data.balance": "label", "data.weights": (1.0, 1.0)},
        "no_ema": {"ema": 0.0},
        "consistency": {"consistency": 0.5},
        "no_second_jpeg": {"data.random_delivery.second_jpeg_probability": 0.0},
        "no_webp": {"data.random_delivery.webp_probability": 0.0},
        "no_blur_noise": {
            f"data.random_delivery.{name}_probability": 0.0 for name in ("blur", "noise")
        },
        # As many crops, validated four times: the best of four checkpoints, not the last.
        "chosen": {
            "num_epochs": 4,
            "data.images_per_epoch": CROPS // 4,
            "best_checkpoint": "validation_ap",
        },
        # Breaks the invisible mark of Stable Diffusion's script, whoever carries it.
        "every_lossless_jpeg": {"data.random_delivery.lossless_jpeg_probability": 1.0},
        # As the recipe is now: against photographs that look generated because they are enlarged,
        # blurred or noisy.
        "stronger_delivery": stronger,
        # The learning curve: of no_reconstructions, these and all.
        "two_decoders": {"data.path": f"{PICTURES},{RECONSTRUCTIONS}_2"},
        "five_decoders": {"data.path": f"{PICTURES},{RECONSTRUCTIONS}_5"},
        "eighth_of_images": {"data.fraction": 0.125},
        "quarter_of_images": {"data.fraction": 0.25},
        "half_of_images": {"data.fraction": 0.5},
    }


def residuals(base) -> dict[str, Mapping[str, Any]]:
    """Sets of residuals, fusions and sizes of network; every other setting as in ``base``."""

    def fused(fusion: str, factors: tuple[float, ...], **settings: Any) -> dict[str, Any]:
        return {"model": multiscale_model(base, fusion, factors) | settings}

    quarter = 0.25
    return {
        "0.5": {},
        "0.25": {"model.factors": (quarter,)},
        "attention": fused("attention", (quarter, 0.5, 0.75)),
        "two_scales": fused("attention", (quarter, 0.5)),
        "four_scales": fused("attention", (0.125, quarter, 0.5, 0.75)),
        "stacked": fused("stack", (quarter, 0.5, 0.75)),
        "three_of_0.5": fused("attention", (0.5, 0.5, 0.5)),
        "eighth": fused("stack", (0.5, 0.125)),
        "bilinear": {"model.modes": ("bilinear",)},
        "wavelet": {"model.modes": ("hh",)},
        "differences": {"model.colors": ("differences",)},
        "pixels": {"model.modes": ("none",)},
        "deep": {"model.backbone": "deep_resnet"},  # 1.2 million parameters instead of 0.17
        "wide": {"model.backbone": "wide_resnet"},  # 4.9 million
        "published": {"model.backbone": "cut_resnet50"},  # the paper's network, 1.4 million
        "stacked_four": fused("stack", (0.125, quarter, 0.5, 0.75)),
    }
