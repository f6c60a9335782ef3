"""ONNX files in ONNX Runtime say what the Flax models say."""

import json
from fractions import Fraction

import jax
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, version_converter

from npr_jax.detectors import calibration_file
from npr_jax.export.onnx_file import onnx_bytes
from npr_jax.models.onnx.front_end import add_references, read_pixels
from npr_jax.models.onnx.graph import Graph
from npr_jax.residuals.front_end import paper_front_end
from tests.export import made
from tests.inference.test_scorer import fused

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


@pytest.mark.slow
def test_npr_at_odd_and_even_sizes_and_batches():
    check(made.detector(), BATCHES)


@pytest.mark.slow
def test_multiscale_attention_at_odd_and_even_sizes_and_batches():
    check(made.attention(), BATCHES)


@pytest.mark.parametrize(
    "changes",
    [
        *(
            pytest.param(fused(fusion), marks=pytest.mark.slow)
            for fusion in ("stack", "mean", "concatenation", "fixed", "attention")
        ),
        fused("spatial"),
        fused("mean", share_branches=True),
        pytest.param(fused("mean", batch_branches=True), marks=pytest.mark.slow),
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


def test_a_resnet_without_a_pool():
    check(made.detector(**CNNDETECTION, backbone="shallow_resnet"), [(2, 33, 47), (1, 64, 38)])


@pytest.mark.slow
def test_cnndetections_resnet50_with_its_stem_of_7x7():
    check(made.detector(**CNNDETECTION, backbone="torchvision_resnet50"), [(2, 65, 70)])


def test_npr_and_attention_in_small():
    """The same in little time, without bottlenecks, with a stem of either kind."""
    for found in (made.detector(backbone="thin_resnet"), made.attention(backbone="thin_resnet")):
        check(found, [(2, 33, 47), (3, 32, 38)])


def test_names_tell_where_in_the_network_a_node_is():
    """Tools choose nodes by name: each node of the file has its own."""
    model = onnx.load_from_string(onnx_bytes(made.attention(backbone="thin_resnet")))
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names)
    stems = {f"branch {scale}/stem/Conv" for scale in (0.25, 0.5, 0.75)}
    assert {name for name in names if "/stem/" in name and name.endswith("Conv")} == stems
    assert {"branch 0.25/stage 2/block 0/conv 1/Conv", "classifier/MatMul"} < set(names)
    assert {"attention/Softmax", "calibration/Sigmoid"} < set(names)


@pytest.mark.slow
def test_openvino_says_the_same_of_the_first_image_of_each_size():
    """In float32, which has to be asked for."""
    openvino = pytest.importorskip("openvino", reason="needs the dev extra")
    core = openvino.Core()
    for found in (made.detector(), made.attention()):
        content = onnx_bytes(found)
        settings = {"INFERENCE_PRECISION_HINT": "f32"}
        compiled = core.compile_model(core.read_model(content), "CPU", settings)
        for batch in [(2, 33, 47), (1, 97, 101), (2, 64, 64), (2, 131, 130), (2, 33, 47)]:
            images = made.pictures(*batch)
            [expected] = session(content).run(["probability"], {"images": images})
            probability = compiled({"images": images})["probability"]
            np.testing.assert_allclose(probability, expected, rtol=0, atol=1e-5)


@pytest.mark.filterwarnings("ignore:the float32 number:UserWarning")  # the smallest weights
@pytest.mark.parametrize("backbone", ["cut_resnet50", "thin_resnet"])
def test_onnxconverter_commons_float16_loads_and_scores_nearly_the_same(backbone):
    """All of it but the nodes that read the pixels."""
    float16 = pytest.importorskip("onnxconverter_common.float16", reason="needs the test extra")
    content = onnx_bytes(made.detector(backbone=backbone))
    model = onnx.load_from_string(content)
    pixels = [n.name for n in model.graph.node if n.name.startswith("pixels/")]
    half = float16.convert_float_to_float16(model, keep_io_types=True, node_block_list=pixels)
    content_half = half.SerializeToString()
    # What is not halved is the graph itself, a third of the thin network's file.
    assert len(content_half) < 0.7 * len(content)
    for size in ((33, 47), (64, 38)):
        images = made.pictures(2, *size)
        [expected] = session(content).run(["probability"], {"images": images})
        [probability] = session(content_half).run(["probability"], {"images": images})
        np.testing.assert_allclose(probability, expected, rtol=0, atol=0.01)


@pytest.mark.parametrize("opset", [18, 21])
def test_newer_opsets_take_it(opset):
    """By onnx's own converter and checker."""
    content = onnx_bytes(made.detector(backbone="thin_resnet"))
    newer = version_converter.convert_version(onnx.load_from_string(content), opset)
    onnx.checker.check_model(newer, full_check=True)
    for size in ((33, 47), (32, 38)):
        images = made.pictures(2, *size)
        [expected] = session(content).run(["probability"], {"images": images})
        [probability] = session(newer.SerializeToString()).run(["probability"], {"images": images})
        np.testing.assert_allclose(probability, expected, rtol=0, atol=1e-6)


def test_no_images_have_no_probabilities():
    running = session(onnx_bytes(made.detector(backbone="thin_resnet")))
    for size in ((33, 47), (32, 38)):
        [probability] = running.run(["probability"], {"images": np.zeros((0, *size, 3), np.uint8)})
        assert probability.shape == (0,)


def test_without_a_calibration():
    check(made.detector(backbone="thin_resnet", calibration=None), [(2, 33, 48), (1, 32, 32)])


@pytest.mark.parametrize("factor", FACTORS)
def test_references_are_torchs_at_every_size(factor):
    """Of what is left of each size after the cut, which is part of the graph."""
    torch = pytest.importorskip("torch", reason="needs the torch extra")
    view, block = paper_front_end(factor), Fraction(factor).limit_denominator(10).denominator
    graph = Graph()
    pixels = read_pixels(graph, "images", view.period)
    graph.add("Identity", add_references(graph, pixels.width, view, 1), output="references")
    inputs = [helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", "h", "w", 3])]
    outputs = [helper.make_tensor_value_info("references", TensorProto.INT64, ["m"])]
    running = session(graph.model("references", inputs, outputs, {}).SerializeToString())
    for length in range(32, 1025):
        [ours] = running.run(None, {"images": np.zeros((1, 32, length, 3), np.uint8)})
        cut = length // block * block
        x = torch.arange(cut, dtype=torch.float32)[None, None]
        down = torch.nn.functional.interpolate(x, size=int(cut * factor), mode="nearest")
        up = torch.nn.functional.interpolate(down, size=cut, mode="nearest")
        np.testing.assert_array_equal(ours, up[0, 0].numpy(), err_msg=f"{length} pixels")


def test_a_full_sized_file_is_small_and_holds_no_batch_norm():
    """Parameters alone: 5.75 and 8.30 MB. No weight may be there twice."""
    for found, limit in ((made.detector(), 6e6), (made.attention(), 9e6)):
        content = onnx_bytes(found)
        assert len(content) < limit
        model = onnx.load_from_string(content)
        operators = {node.op_type for node in model.graph.node}
        assert "BatchNormalization" not in operators
        assert "If" not in operators, "converters stumble over branches"
        assert model.opset_import[0].version == 17
        assert model.ir_version == 8


def test_what_the_file_says_of_itself():
    found = made.detector(backbone="thin_resnet", resize=256)
    properties = session(onnx_bytes(found)).get_modelmeta().custom_metadata_map
    assert properties["system"] == "npr"
    assert properties["checkpoint_sha256"] == calibration_file.fingerprint(found.model)
    assert properties["preprocessing"] == "squashed to 256x256 pixels"
    assert properties["minimum_side"] == "32"
    assert "whose sides are multiples of 2 pixels" in properties["scored"]
    decoded, squashed = json.loads(properties["before"])
    assert "8-bit RGB as input_pipeline.images.transforms.decode does" in decoded
    assert "laid on mid-grey (128)" in decoded
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
        ({"factors": (0.7,)}, ("the pattern of its residual 0.7 never repeats",)),
        (fused("mean", factors=(0.3, 0.25, 1 / 3)), ("repeat together after over 32 pixels",)),
        (fused("cross"), ("Cross", "without fusion cross")),
    ],
    ids=["bicubic", "lab", "hh", "no period", "no common period", "cross"],
)
def test_what_cannot_be_exported_is_refused_by_name(changes, texts):
    with pytest.raises(ValueError) as refusal:
        onnx_bytes(made.detector(**({"backbone": "thin_resnet"} | changes)))
    for text in texts:
        assert text in str(refusal.value)
    held = "--format=stablehlo can hold it" in str(refusal.value)
    assert held == ("--format=stablehlo can hold it" in texts)
