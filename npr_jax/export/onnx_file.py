"""A detector as an ONNX file."""

from __future__ import annotations

from onnx import TensorProto, helper

from input_pipeline.errors import UserError
from npr_jax.export.description import as_properties, describe, temperature_and_bias
from npr_jax.export.onnx_front_end import read_pixels
from npr_jax.export.onnx_graph import Graph
from npr_jax.export.onnx_network import add_network
from npr_jax.export.stablehlo_file import period_problem, stablehlo_problem, system_problem
from npr_jax.inference.detector import Detector
from npr_jax.models import fusion
from npr_jax.models.base import period
from npr_jax.models.classifier import Classifier
from npr_jax.models.resnet import ResNet

ONNX_NETWORKS = (
    ResNet,
    fusion.Mean,
    fusion.Fixed,
    fusion.Concatenation,
    fusion.Attention,
    fusion.Spatial,
)
ONNX_MODES = ("nearest", "none")
ONNX_COLORS = ("rgb", "ycbcr", "differences")
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
    if problem := _problem(detector):
        advice = "" if stablehlo_problem(detector) else "; --format=stablehlo can hold it"
        raise UserError(
            f"{detector.system} cannot be exported as ONNX: {problem}. ONNX files hold {_IN_ONNX}, "
            f"with residuals {' and '.join(ONNX_MODES)} of {', '.join(ONNX_COLORS)}{advice}"
        )
    graph = Graph()
    with graph.part("pixels"):
        pixels = read_pixels(graph, "images", period(detector.model))
    outputs = add_network(graph, detector.model, pixels)
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


def _problem(detector: Detector) -> str:
    """Why a detector cannot be an ONNX file; empty: it can."""
    model = detector.model
    if problem := system_problem(detector) or period_problem(model):
        return problem
    network = model.backbone if isinstance(model, Classifier) else model
    if type(network) not in ONNX_NETWORKS:
        return f"its network, {type(network).__name__}, is none of those written here"
    for front_end in model.front_ends:
        if front_end.mode not in ONNX_MODES:
            return f"it has a residual {front_end.mode}"
        if front_end.color not in ONNX_COLORS:
            return f"it has colours {front_end.color}"
    return ""
