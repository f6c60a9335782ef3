"""A detector as a StableHLO program that ``jax.export`` loads, batch and size open."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx
from jax import export

from npr_jax.export.description import temperature_and_bias
from npr_jax.export.support import check_stablehlo
from npr_jax.export.symbolic_operators import symbolic_operator
from npr_jax.inference.detector import Detector
from npr_jax.inference.tiling import MIN_SIDE
from npr_jax.models.base import Model, Prediction

PLATFORMS = ("cpu", "cuda", "tpu")


def stablehlo_bytes(detector: Detector) -> bytes:
    """The file's content: images in, a dictionary of probability and, for some, weights out.

    Raises:
        ValueError: for a system or residual that cannot be part of such a file.
    """
    check_stablehlo(detector)
    shape = export.symbolic_shape(
        "n, h, w, 3", constraints=[f"h >= {MIN_SIDE}", f"w >= {MIN_SIDE}"]
    )
    images = jax.ShapeDtypeStruct(shape, jnp.uint8)
    temperature, bias = temperature_and_bias(detector)

    def score(images: jax.Array) -> dict[str, jax.Array]:
        prediction = _predict(nnx.clone(detector.model), images)
        scaled = prediction.logits / jnp.float32(temperature) + jnp.float32(bias)
        outputs = {"probability": jax.nn.sigmoid(scaled)}
        if prediction.weights is not None:
            outputs["weights"] = prediction.weights
        return outputs

    program = export.export(jax.jit(score), platforms=PLATFORMS)(images)
    return bytes(program.serialize())


def _predict(model: Model, images: jax.Array) -> Prediction:
    """As ``npr_jax.models.base.predict``, for sizes that are symbols; ``model`` is changed."""
    model.eval()
    views = []
    for front_end in model.front_ends:
        rows, columns = (symbolic_operator(front_end, images.shape[1 + i], i) for i in range(2))
        views.append(front_end.placed(images, rows, columns))
    maps = model.feature_maps(views, None, None)
    return model.head([m.astype(jnp.float32).mean((1, 2)) for m in maps])
