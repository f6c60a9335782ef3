"""A detector as a StableHLO program that ``jax.export`` loads, batch and size open.

The operators of a front end are made for an axis whose length is not known before the program runs:
those of ``residual.axis_operator``, which the host makes of known lengths; the length is a multiple
of the front end's period.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jax import export

from input_pipeline.errors import UserError
from input_pipeline.images.transforms import cut_to_multiple
from npr_jax.export.description import temperature_and_bias
from npr_jax.inference.detector import Detector
from npr_jax.models.base import Model, Prediction, period, period_problem
from npr_jax.models.cross_attention import Cross
from npr_jax.residuals.front_end import FrontEnd
from npr_jax.residuals.resampling import BICUBIC_A
from npr_jax.residuals.residual import small_length

PLATFORMS = ("cpu", "cuda", "tpu")
MODES = ("nearest", "bilinear", "bicubic", "area", "none")
# What these compute has no form for images of any size.
_NOT_IN_STABLEHLO = {
    "freqnet": "its Fourier transforms of feature maps are made for known sizes",
    "univfd": "CLIP's tower takes squares of one size, and is a gigabyte",
}


def stablehlo_bytes(detector: Detector) -> bytes:
    """The file's content: images in, a dictionary of probability and, for some, weights out.

    Raises:
        ValueError: for a system or residual that cannot be part of such a file.
    """
    if problem := stablehlo_problem(detector):
        raise UserError(f"{detector.system} cannot be exported as StableHLO: {problem}")
    shortest = detector.preprocessing.min_side
    shape = export.symbolic_shape(
        "n, h, w, 3", constraints=[f"h >= {shortest}", f"w >= {shortest}"]
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
    images = cut_to_multiple(images, period(model))
    views = []
    for front_end in model.front_ends:
        rows, columns = (symbolic_operator(front_end, images.shape[1 + i], i) for i in range(2))
        views.append(front_end.placed(images, rows, columns))
    maps = model.feature_maps(views, None, None)
    return model.head([m.astype(jnp.float32).mean((1, 2)) for m in maps])


def stablehlo_problem(detector: Detector) -> str:
    """Why a detector cannot be a StableHLO file; empty: it can."""
    if problem := system_problem(detector) or _NOT_IN_STABLEHLO.get(detector.system, ""):
        return problem
    if isinstance(detector.model, Cross):
        return "the spectrum that fusion cross attends to is made for known sizes"
    problems = map(symbolic_problem, detector.model.front_ends)
    found = next((f"it has a {problem}" for problem in problems if problem), "")
    return found or period_problem(detector.model)


def system_problem(detector: Detector) -> str:
    """Why no format can hold a detector; empty: its pixels are all it reads."""
    reads_pixels = detector.preprocessing.read_file is None
    return "" if reads_pixels else "it looks at files, not at their pixels"


def symbolic_problem(front_end: FrontEnd) -> str:
    """Why a front end has no operator for lengths unknown; empty: it has."""
    if front_end.learned:
        return "trained factor"
    if front_end.mode not in MODES:
        return f"residual {front_end.mode}"
    return ""


def symbolic_operator(front_end: FrontEnd, length: Any, axis: int) -> jax.Array:
    """As ``FrontEnd.operator`` of a whole axis.

    Args:
        front_end: one without a ``symbolic_problem``, and with a period.
        length: pixels of the axis, a symbolic dimension, a multiple of the period.
        axis: 0 rows, 1 columns.
    """
    if front_end.mode == "none":
        return jnp.zeros(0, jnp.int32)
    block = front_end.period
    if front_end.mode == "nearest":
        offsets = front_end.operator(block, axis) - np.arange(block, dtype=np.int32)
        places = jnp.arange(length)
        return places + jnp.asarray(offsets)[places % block]
    small = length // block * small_length(block, front_end.factor)
    weights = {"bilinear": _bilinear, "bicubic": _bicubic, "area": _area}[front_end.mode]
    up, down = weights(small, length), weights(length, small)
    return jnp.matmul(up, down, precision=jax.lax.Precision.HIGHEST)


def _scale(length_in: Any, length_out: Any) -> jax.Array:
    # Divided on the device: a division by a known length could become a product with its inverse.
    before, after = (jnp.asarray(n).astype(jnp.float32) for n in (length_in, length_out))
    return before / after


def _sources(length_in: Any, length_out: Any) -> jax.Array:
    outputs = jnp.arange(length_out).astype(jnp.float32)
    return _scale(length_in, length_out) * (outputs + 0.5) - 0.5


def _bilinear(length_in: Any, length_out: Any) -> jax.Array:
    """See ``npr_jax.residuals.resampling.bilinear_matrix``, float32 ``[length_out, length_in]``."""
    source = jnp.maximum(_sources(length_in, length_out), 0.0)
    last = jnp.asarray(length_in) - 1
    lower = jnp.minimum(jnp.floor(source).astype(jnp.int32), last)
    fraction = source - lower
    return _taps(length_in, [(lower, 1.0 - fraction), (jnp.minimum(lower + 1, last), fraction)])


def _bicubic(length_in: Any, length_out: Any) -> jax.Array:
    """See ``npr_jax.residuals.resampling.bicubic_matrix``, float32 ``[length_out, length_in]``."""
    source = _sources(length_in, length_out)
    base = jnp.floor(source)
    last = jnp.asarray(length_in) - 1
    taps = []
    for tap in range(-1, 3):
        place = jnp.clip(base.astype(jnp.int32) + tap, 0, last)
        taps.append((place, _cubic_weight(jnp.abs(source - base - tap))))
    return _taps(length_in, taps)


def _cubic_weight(distance: jax.Array) -> jax.Array:
    a = BICUBIC_A
    near = ((a + 2.0) * distance - (a + 3.0)) * distance**2 + 1.0
    far = ((a * distance - 5.0 * a) * distance + 8.0 * a) * distance - 4.0 * a
    return jnp.where(distance <= 1.0, near, far)


def _area(length_in: Any, length_out: Any) -> jax.Array:
    """See ``npr_jax.residuals.resampling.area_matrix``, float32 ``[length_out, length_in]``."""
    outputs = jnp.arange(length_out)
    before, after = jnp.asarray(length_in), jnp.asarray(length_out)
    first = outputs * before // after
    last = -(-(outputs + 1) * before // after)
    pixels = jnp.arange(length_in)
    inside = (pixels >= first[:, None]) & (pixels < last[:, None])
    return inside.astype(jnp.float32) / (last - first)[:, None]


def _taps(length: Any, taps: list[tuple[jax.Array, jax.Array]]) -> jax.Array:
    pixels = jnp.arange(length)
    rows = [jnp.where(pixels == place[:, None], w[:, None], 0.0) for place, w in taps]
    return sum(rows[1:], start=rows[0])
