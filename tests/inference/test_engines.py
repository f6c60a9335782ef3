"""ONNX Runtime gives Flax's logits, of any size, or says why it cannot."""

import pathlib
import sys

import jax
import numpy as np
import pytest

from input_pipeline.errors import UserError
from npr_jax.inference import onnx_scorer
from npr_jax.inference.engines import check, may_have_accelerator
from npr_jax.inference.ensemble import Ensemble
from npr_jax.inference.onnx_scorer import OnnxScorer
from npr_jax.models.onnx.network_facts import sealed
from npr_jax.models.onnx.network_file import network_bytes
from tests.export import made
from tests.inference.test_scorer import fused, picture, whole

# Small, odd, and with such tiles several in both directions.
SIZES = [(37, 47), (64, 64), (333, 461)]
TILE = (96, 160)
TASKS = pathlib.Path("/proc/self/task")  # an entry for each thread


@pytest.fixture(autouse=True)
def _highest_precision():
    with jax.default_matmul_precision("highest"):
        yield


@pytest.fixture
def small_tiles(monkeypatch):
    monkeypatch.setattr(onnx_scorer, "TILE", TILE)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"backbone": "shallow_resnet"},
        {"factors": (1 / 3,), "phases": ((1, 2),), "colors": ("ycbcr",)},
        fused("attention", factors=(0.25, 1 / 3)),
        pytest.param(fused("spatial"), marks=pytest.mark.slow),
        pytest.param({"backbone": "cut_resnet50"}, marks=pytest.mark.slow),
    ],
    ids=["npr", "no pool", "a third", "attention", "spatial", "bottlenecks"],
)
def test_both_engines_give_the_same_logits_and_weights(changes, small_tiles):
    found = made.detector(**({"backbone": "thin_resnet"} | changes))
    other = found.with_engine("onnxruntime")
    assert other.engine.startswith("onnxruntime ")
    images = [picture(*size) for size in SIZES]
    expected, expected_weights = found.logits_and_weights(images)
    logits, weights = other.logits_and_weights(images)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5)
    assert np.ptp(expected) > 1e-3, "images that all score alike would prove nothing"
    if expected_weights is None:
        assert weights is None
    else:
        np.testing.assert_allclose(weights, expected_weights, rtol=0, atol=1e-5)
    alone = [other.logits([image])[0] for image in images[::-1]]
    np.testing.assert_allclose(alone[::-1], logits, rtol=0, atol=1e-5)


def test_tiles_are_as_good_as_the_whole():
    content = network_bytes(made.detector(backbone="shallow_resnet").model)
    image = picture(350, 461)
    whole = OnnxScorer(content, tile=(512, 512)).score_all([image])[0]
    for tile in ((96, 96), (128, 512), (512, 100)):
        tiled = OnnxScorer(content, tile=tile).score_all([image])[0]
        np.testing.assert_allclose(tiled, whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize("cores", [1, 3])
def test_the_number_of_cores_does_not_matter(cores, monkeypatch, small_tiles):
    found = made.detector(backbone="light_resnet").with_engine("onnxruntime")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(onnx_scorer, "available_cores", lambda: cores)
    images = [picture(*size) for size in SIZES]
    logits = found.with_engine("onnxruntime").logits(images)
    np.testing.assert_allclose(logits, found.logits(images), rtol=0, atol=1e-5)


@pytest.mark.skipif(not TASKS.is_dir(), reason="threads cannot be counted here")
def test_a_worker_that_is_given_one_core_takes_one(monkeypatch):
    """As Ray gives one to each of its workers, of which there are as many as cores."""
    content = network_bytes(made.detector(backbone="thin_resnet").model)
    monkeypatch.setattr(onnx_scorer, "available_cores", lambda: 3)
    threads = []
    for asked in ("1", "2", "64", "many"):
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
        before = set(TASKS.iterdir())
        scorer = OnnxScorer(content)
        # New ones: the last scorer's may be seen for a moment after they have ended.
        threads.append(1 + len(set(TASKS.iterdir()) - before))
        del scorer
    assert threads == [1, 2, 3, 3]


def test_tiles_grow_with_what_the_network_sees(small_tiles):
    """A pattern of 31 pixels on a stride of 8 begins anew after 248 pixels only."""
    found = made.detector(backbone="thin_resnet", factors=(1 / 31,))
    image = picture(62, 1271)
    logits = found.with_engine("onnxruntime").logits([image])
    np.testing.assert_allclose(logits[0], whole(found.model, image)[0], rtol=0, atol=1e-5)


def test_flax_can_be_had_back():
    found = made.detector(backbone="thin_resnet")
    back = found.with_engine("onnxruntime").with_engine("flax")
    assert back.engine == found.engine
    images = [picture(40, 40)]
    np.testing.assert_array_equal(back.logits(images), found.logits(images))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"modes": ("bicubic",)}, "residual bicubic"),
        ({"dtype": "bfloat16"}, "half precision"),
        (fused("cross"), "Cross"),
    ],
    ids=["bicubic", "bfloat16", "cross"],
)
def test_what_onnx_runtime_cannot_run_stays_with_flax_and_says_why(changes, reason):
    found = made.detector(**({"backbone": "thin_resnet"} | changes))
    assert reason in found.with_engine("auto").engine
    assert found.with_engine("auto").engine.startswith("flax ")
    with pytest.raises(UserError, match=f"{reason}.*leave --engine out"):
        found.with_engine("onnxruntime")


def test_without_onnx_runtime_its_installation_is_advised(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    found = made.detector(backbone="thin_resnet")
    assert "pip install 'npr-jax[fast]'" in found.with_engine("auto").engine


def test_an_accelerator_is_faster(monkeypatch):
    found = made.detector(backbone="thin_resnet")
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert found.with_engine("auto").engine.endswith("(not onnxruntime: the gpu computes)")
    assert found.with_engine("onnxruntime").engine.startswith("onnxruntime")


def test_where_jax_may_use_the_cpu_only_there_is_no_accelerator(monkeypatch):
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert not may_have_accelerator()


def test_an_unknown_engine_is_refused():
    with pytest.raises(UserError, match="'torch'; expected one of auto, flax, onnxruntime"):
        check("torch")


def test_members_of_an_ensemble_change_together():
    members = [made.detector(backbone="thin_resnet", colors=(c,)) for c in ("rgb", "ycbcr")]
    images = [picture(40, 52)]
    other = Ensemble(members).with_engine("onnxruntime")
    assert other.engine == members[0].with_engine("onnxruntime").engine
    expected = Ensemble(members).logits(images)
    np.testing.assert_allclose(other.logits(images), expected, rtol=0, atol=1e-5)


def test_a_file_that_this_onnx_runtime_cannot_load_is_no_fault_of_ours():
    with pytest.raises(UserError, match=r"onnxruntime .* cannot load it: "):
        OnnxScorer(sealed(b"what a later version may write"))


def test_a_damaged_file_is_refused():
    content = bytearray(network_bytes(made.detector(backbone="thin_resnet").model))
    content[len(content) // 2] ^= 1
    for broken in (bytes(content), bytes(content[:-9]), b""):
        with pytest.raises(UserError, match="damaged"):
            OnnxScorer(broken)
