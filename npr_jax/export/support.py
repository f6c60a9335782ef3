"""Which detectors each format can hold, and why not where it cannot."""

from __future__ import annotations

from input_pipeline.errors import UserError
from npr_jax.export.symbolic_operators import symbolic_problem
from npr_jax.inference.detector import Detector
from npr_jax.models import fusion
from npr_jax.models.classifier import Classifier
from npr_jax.models.cross_attention import Cross
from npr_jax.models.resnet import ResNet
from npr_jax.residuals.front_end import FrontEnd

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
# What these compute has no form for images of any size.
_NOT_IN_STABLEHLO = {
    "freqnet": "its Fourier transforms of feature maps are made for known sizes",
    "univfd": "CLIP's tower takes squares of one size, and is a gigabyte",
}


def check_onnx(detector: Detector) -> None:
    """Raises ``ValueError`` with the reason where a detector cannot be an ONNX file."""
    problem = _onnx_problem(detector)
    if not problem:
        return
    otherwise = stablehlo_problem(detector)
    advice = "" if otherwise else "; --format=stablehlo can hold it"
    raise UserError(
        f"{detector.system} cannot be exported as ONNX: {problem}. ONNX files hold {_IN_ONNX}, "
        f"with residuals {' and '.join(ONNX_MODES)} of {', '.join(ONNX_COLORS)}{advice}"
    )


def check_stablehlo(detector: Detector) -> None:
    """Raises ``ValueError`` with the reason where a detector cannot be a StableHLO file."""
    if problem := stablehlo_problem(detector):
        raise UserError(f"{detector.system} cannot be exported as StableHLO: {problem}")


def stablehlo_problem(detector: Detector) -> str:
    """Why a detector cannot be a StableHLO file; empty: it can."""
    if problem := _system_problem(detector) or _NOT_IN_STABLEHLO.get(detector.system, ""):
        return problem
    if isinstance(detector.model, Cross):
        return "the spectrum that fusion cross attends to is made for known sizes"
    problems = map(symbolic_problem, detector.model.front_ends)
    return next((f"it has a {problem}" for problem in problems if problem), "")


def _onnx_problem(detector: Detector) -> str:
    if problem := _system_problem(detector):
        return problem
    model = detector.model
    network = model.backbone if isinstance(model, Classifier) else model
    if type(network) not in ONNX_NETWORKS:
        return f"its network, {type(network).__name__}, is none of those written here"
    problems = map(_onnx_front_end_problem, model.front_ends)
    return next((f"it has {problem}" for problem in problems if problem), "")


def _onnx_front_end_problem(front_end: FrontEnd) -> str:
    if front_end.mode not in ONNX_MODES:
        return f"a residual {front_end.mode}"
    return "" if front_end.color in ONNX_COLORS else f"colours {front_end.color}"


def _system_problem(detector: Detector) -> str:
    reads_pixels = detector.preprocessing.read_file is None
    return "" if reads_pixels else "it looks at files, not at their pixels"
