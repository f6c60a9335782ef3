"""ONNX files in ONNX Runtime say what the Flax models say."""

import json

import jax
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from npr_jax import calibration_store
from npr_jax.export.onnx_file import onnx_bytes
from npr_jax.export.onnx_front_end import add_references
from npr_jax.export.onnx_graph import Graph
from npr_jax.residual import axis_operator
from tests.export import made
from tests.test_scoring import fused

FACTORS = (0.25, 0.5, 0.75, 1 / 3, 1 / 8)


@pytest.fixture(autouse=True)
def _highest_precision():
    with jax.default_matmul_precision("highest"):
        yield


def session(content):
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


def check(found, batches):
    """Compares the file with the model on batches ``(count, height, width)``."""
    running = session(onnx_bytes(found))
    spread = []
    for batch in batches:
        images = made.pictures(*batch)
        probability, *weights = running.run(None, {"images": images})
        expected, expected_weights = made.said(found, images)
        assert probability.dtype == np.float32
        assert probability.shape == (batch[0],)
        np.testing.assert_allclose(probability, expected, rtol=0, atol=1e-5)
        if expected_weights is None:
            assert not weights
        else:
            np.testing.assert_allclose(weights[0], expected_weights, rtol=0, atol=1e-5)
        spread += list(expected)
    assert np.ptp(spread) > 1e-3, "images that all score alike would prove nothing"


BATCHES = [(1, 64, 64), (2, 33, 47), (5, 32, 75), (1, 75, 32), (2, 96, 100)]


def test_npr_at_odd_and_even_sizes_and_batches():
    check(made.detector(), BATCHES)


def test_multiscale_attention_at_odd_and_even_sizes_and_batches():
    check(made.attention(), BATCHES)


@pytest.mark.parametrize(
    "changes",
    [
        *map(fused, ("stack", "mean", "concatenation", "fixed", "attention", "spatial")),
        fused("mean", share_branches=True),
        fused("mean", batch_branches=True),
        {"factors": (1 / 8,), "phases": ((3, 7),), "colors": ("ycbcr",)},
        {"factors": (0.5,), "phases": ((1, 0),), "colors": ("differences",)},
        {"factors": (0.3,)},
        {"modes": ("none",), "colors": ("ycbcr",)},
    ],
    ids=[
        *("stack", "mean", "concatenation", "fixed", "attention", "spatial", "shared", "batched"),
        *("phase ycbcr", "phase differences", "tenths", "pixels"),
    ],
)
def test_fusions_and_front_ends(changes):
    check(made.detector(**({"backbone": "thin_resnet"} | changes)), [(2, 33, 47), (1, 64, 38)])


CNNDETECTION = {"name": "cnndetection", "imagenet_weights": ""}


def test_a_resnet_on_pixels():
    check(made.detector(**CNNDETECTION, backbone="thin_resnet"), [(2, 33, 47), (1, 64, 38)])


@pytest.mark.slow
def test_cnndetections_resnet50_with_its_stem_of_7x7():
    check(made.detector(**CNNDETECTION, backbone="torchvision_resnet50"), [(2, 65, 70)])


def test_without_a_calibration():
    check(made.detector(backbone="thin_resnet", calibration=None), [(2, 33, 48), (1, 32, 32)])


@pytest.mark.parametrize("factor", FACTORS)
def test_references_are_torchs_at_every_size(factor):
    torch = pytest.importorskip("torch", reason="needs the torch extra")
    graph = Graph()
    graph.add("Identity", add_references(graph, "length", factor, 0), output="references")
    inputs = [helper.make_tensor_value_info("length", TensorProto.INT64, [])]
    outputs = [helper.make_tensor_value_info("references", TensorProto.INT64, ["n"])]
    running = session(graph.model("references", inputs, outputs, {}).SerializeToString())
    for length in range(32, 2049):
        [ours] = running.run(None, {"length": np.array(length)})
        x = torch.arange(length, dtype=torch.float32)[None, None]
        small = max(1, int(np.floor(length * factor)))
        down = torch.nn.functional.interpolate(x, size=small, mode="nearest")
        up = torch.nn.functional.interpolate(down, size=length, mode="nearest")
        np.testing.assert_array_equal(ours, up[0, 0].numpy(), err_msg=f"{length} pixels")
        np.testing.assert_array_equal(ours, axis_operator(length, factor, "nearest"))


def test_a_full_sized_file_is_small_and_holds_no_batch_norm():
    """Parameters alone: 5.75 and 8.30 MB. No weight may be there twice."""
    for found, limit in ((made.detector(), 6e6), (made.attention(), 9e6)):
        content = onnx_bytes(found)
        assert len(content) < limit
        model = onnx.load_from_string(content)
        operators = {node.op_type for node in model.graph.node}
        assert "BatchNormalization" not in operators
        assert "If" in operators
        assert model.opset_import[0].version == 17
        assert model.ir_version == 8


def test_what_the_file_says_of_itself():
    found = made.detector(backbone="thin_resnet", resize=256)
    properties = session(onnx_bytes(found)).get_modelmeta().custom_metadata_map
    assert properties["system"] == "npr"
    assert properties["checkpoint_sha256"] == calibration_store.fingerprint(found.model)
    assert properties["preprocessing"] == "squashed to 256x256 pixels"
    assert properties["minimum_side"] == "32"
    decoded, squashed = json.loads(properties["before"])
    assert "8-bit RGB" in decoded
    assert "Image.resize((256, 256), Image.Resampling.BILINEAR)" in squashed
    calibration = json.loads(properties["calibration"])
    assert (calibration["temperature"], calibration["bias"]) == (1.7, -0.3)
    verdicts = json.loads(properties["verdicts"])
    for name, logit in (("generated_from", 1.25), ("photograph_to", -2.5)):
        assert verdicts[name] == pytest.approx(1 / (1 + np.exp(-(logit / 1.7 - 0.3))), abs=1e-12)


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        ({"modes": ("bicubic",)}, ("residual bicubic", "--format=stablehlo can hold it")),
        ({"colors": ("lab",)}, ("colours lab", "--format=stablehlo can hold it")),
        ({"modes": ("hh",)}, ("residual hh", "nearest and none")),
        (fused("cross"), ("Cross", "without fusion cross")),
    ],
    ids=["bicubic", "lab", "hh", "cross"],
)
def test_what_cannot_be_exported_is_refused_by_name(changes, texts):
    with pytest.raises(ValueError) as refusal:
        onnx_bytes(made.detector(**({"backbone": "thin_resnet"} | changes)))
    for text in texts:
        assert text in str(refusal.value)
    held = "--format=stablehlo can hold it" in str(refusal.value)
    assert held == ("--format=stablehlo can hold it" in texts)
