"""Detectors to export, and what they say by Flax."""

import jax
import ml_collections
import numpy as np
from flax import nnx

from configs import default, multiscale_attention
from input_pipeline.images.preprocessing import Preprocessing
from npr_jax.detectors.calibration import Calibration
from npr_jax.inference.detector import Detector
from npr_jax.models.base import period, predict
from npr_jax.models.systems.registry import build_model
from tests.inference.test_scorer import picture
from tests.models.test_models import randomize_statistics

CALIBRATION = Calibration(1.7, -0.3, 0.05, 1.25, -2.5)


def detector(recipe=None, calibration=CALIBRATION, resize=0, **changes):
    """Random weights and running statistics, as after training."""
    settings = (recipe or default.get_config()).model.to_dict() | changes
    config = ml_collections.ConfigDict(settings)
    model = randomize_statistics(build_model(config, nnx.Rngs(params=0)), seed=1)
    return Detector(
        model,
        Preprocessing(resize=resize),
        source="tests",
        system=config.name,
        calibration=calibration,
    )


def attention(**changes):
    """The published recipe of three scales."""
    return detector(multiscale_attention.get_config(), **changes)


def pictures(count, height, width):
    """uint8 ``[count, height, width, 3]``, black and white at the first one's borders."""
    images = np.stack([picture(height, width, seed=i) for i in range(count)])
    images[0, 0], images[0, :, 0], images[0, -1], images[0, :, -1] = 255, 0, 255, 255
    return images


def said(found, images):
    """Probabilities, calibrated in float64, and weights or None, of the Flax model itself.

    Each image is whole and alone: the scorer has no part in it. What does not fill a block of the
    residuals is cut here by hand.
    """
    found.model.eval()
    block = period(found.model)
    height, width = (side - side % block for side in images.shape[1:3])
    images = images[:, :height, :width]
    compute = jax.jit(lambda x: predict(found.model, x))
    outcomes = [compute(image[None]) for image in images]
    logits = np.array([float(logit[0]) for logit, _ in outcomes])
    known = found.calibration
    z = logits / known.temperature + known.bias if known else logits
    weights = [w for _, w in outcomes if w is not None]
    return 1 / (1 + np.exp(-z)), np.concatenate(weights) if weights else None
