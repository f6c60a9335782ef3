"""A detector as an ONNX file."""

from __future__ import annotations

from onnx import TensorProto, helper

from input_pipeline.errors import UserError
from npr_jax.export.description import as_properties, describe, temperature_and_bias
from npr_jax.export.stablehlo_file import stablehlo_problem, system_problem
from npr_jax.inference.detector import Detector
from npr_jax.models.base import period
from npr_jax.models.onnx.front_end import read_pixels
from npr_jax.models.onnx.graph import Graph
from npr_jax.models.onnx.network import (
    COLORS,
    MODES,
    add_head,
    add_maps,
    add_means,
    network_problem,
)

_IN_ONNX = "npr, cnndetection, dire and, without fusion cross, multiscale"


def onnx_bytes(detector: Detector, *, logits: bool = False) -> bytes:
    """The file's content: images in, probability and, for some systems, weights out.

    Args:
        detector: one, with its calibration.
        logits: whether the logits, before any calibration, are an output too. A verdict is about
            them: float32 probabilities next to 1 cannot be told apart.

    Raises:
        ValueError: for a system or residual that cannot be part of such a file.
    """
    if problem := system_problem(detector) or network_problem(detector.model):
        advice = "" if stablehlo_problem(detector) else "; --format=stablehlo can hold it"
        raise UserError(
            f"{detector.system} cannot be exported as ONNX: {problem}. ONNX files hold {_IN_ONNX}, "
            f"with residuals {' and '.join(MODES)} of {', '.join(COLORS)}{advice}"
        )
    graph = Graph()
    with graph.part("pixels"):
        pixels = read_pixels(graph, "images", period(detector.model))
    maps = add_maps(graph, detector.model, pixels)
    outputs = add_head(graph, detector.model, add_means(graph, maps))
    temperature, bias = temperature_and_bias(detector)
    with graph.part("calibration"):
        scaled = graph.add("Mul", outputs.logits, graph.constant(1.0 / temperature))
        shifted = graph.add("Add", scaled, graph.constant(bias))
        graph.add("Sigmoid", shifted, output="probability")
    infos = [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["n"])]
    if logits:
        graph.add("Identity", outputs.logits, output="logits")
        infos.append(helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n"]))
    if outputs.weights:
        graph.add("Identity", outputs.weights, output="weights")
        shape: list[str | int | None] = ["n", len(detector.model.scales)]
        infos.append(helper.make_tensor_value_info("weights", TensorProto.FLOAT, shape))
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", "h", "w", 3])
    properties = as_properties(describe(detector))
    return graph.model(detector.system, [images], infos, properties).SerializeToString()
