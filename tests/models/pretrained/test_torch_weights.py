"""Published weights in: what is accepted, what is refused, and that nothing is executed."""

import os
import pickle
import zipfile

import numpy as np
import pytest
import safetensors.numpy
from flax import nnx

from npr_jax.models.pretrained.state_dict import load_state_dict
from npr_jax.models.pretrained.torch_weights import problems_of
from npr_jax.models.systems.registry import published_weights, recognise

torch = pytest.importorskip("torch", reason="needs the torch extra")

from benchmarks.torch_npr import TorchNPR  # noqa: E402  (imports torch)
from tests.twins.freqnet import TorchFreqNet  # noqa: E402
from tests.twins.ladeda import LaDeDa  # noqa: E402
from tests.twins.resnet50 import ResNet50  # noqa: E402
from tests.twins.safe import TorchSAFE  # noqa: E402


@pytest.fixture(scope="module")
def weights(reference_inputs):
    return reference_inputs.make_weights(0)


def assert_same(state_dict, weights):
    ours = nnx.to_flat_state(nnx.state(recognise(state_dict)[2]))
    expected = dict(nnx.to_flat_state(nnx.state(recognise(weights)[2])))
    for path, variable in ours:
        np.testing.assert_array_equal(variable.get_value(), expected[path].get_value(), str(path))
    assert len(ours) == len(expected)


def with_counters(weights):
    counters = {
        name.replace("running_mean", "num_batches_tracked"): np.int64(7)
        for name in weights
        if name.endswith("running_mean")
    }
    return weights | counters


def test_counters_of_batches_make_no_difference(weights):
    assert_same(with_counters(weights), weights)


@pytest.mark.parametrize("wrapped", [False, True], ids=["plain", "in a training checkpoint"])
def test_pth_file(weights, tmp_path, wrapped):
    state = {k: torch.from_numpy(np.asarray(v)) for k, v in with_counters(weights).items()}
    if wrapped:
        state = {"model": {f"module.{k}": v for k, v in state.items()}, "total_steps": 3}
    torch.save(state, tmp_path / "NPR.pth")
    assert_same(load_state_dict(tmp_path / "NPR.pth"), weights)


def test_safetensors_file(weights, tmp_path):
    safetensors.numpy.save_file(weights, tmp_path / "NPR.safetensors")
    assert_same(load_state_dict(tmp_path / "NPR.safetensors"), weights)


class _Payload:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (os.mkdir, (self.target,))


def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(tmp_path):
    target = tmp_path / "executed"
    payload = pickle.dumps({"conv1.weight": _Payload(str(target))})
    with zipfile.ZipFile(tmp_path / "zip.pth", "w") as archive:
        archive.writestr("archive/data.pkl", payload)
        archive.writestr("archive/version", "3")
        archive.writestr("archive/byteorder", "little")
    (tmp_path / "plain.pth").write_bytes(payload)
    for name in ("zip.pth", "plain.pth"):
        with pytest.raises(ValueError, match="cannot be read as plain weights"):
            load_state_dict(tmp_path / name)
    assert not target.exists()
    pickle.loads(payload)
    assert target.exists(), "the payload does run where pickles are executed"


def test_all_problems_are_listed_together(weights):
    broken = dict(weights)
    del broken["bn1.weight"]
    broken["layer1.0.conv9.weight"] = np.zeros(3, np.float32)
    broken["head.bias"] = np.zeros(1, np.float32)
    broken["layer2.0.conv2.weight"] = np.zeros((128, 64, 3, 3), np.float32)
    broken["fc1.bias"] = np.full(1, np.nan, np.float32)
    with pytest.raises(ValueError) as caught:
        recognise(broken)
    message = str(caught.value)
    for text in (
        "layer1.0.conv9.weight: no such parameter",
        "head.bias: no such parameter",
        "missing: nothing gives backbone.bn1.scale",
        "fc1.bias: expected finite",
    ):
        assert text in message
    [misshaped] = [line for line in message.splitlines() if "layer2.0.conv2.weight" in line]
    assert "(128, 64, 3, 3)" in misshaped
    assert "(3, 3, 128, 128)" in misshaped, "both shapes are named"


def test_counter_of_a_layer_that_does_not_exist_changes_nothing_else(weights):
    with pytest.raises(ValueError, match=r"layer3\.0\.bn1\.weight: no such parameter"):
        recognise(weights | {"layer3.0.bn1.weight": np.ones(256, np.float32)})


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.pth", None, "does not exist"),
        ("weights.bin", b"x", "expected .safetensors or .pth"),
        ("text.pth", b"hello", "cannot be read as plain weights"),
        ("empty.pth", b"", "cannot be read as plain weights"),
        ("cut.safetensors", b"\x10\0\0\0\0\0\0\0{", "not a readable .safetensors"),
    ],
)
def test_unreadable_files_are_refused(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_state_dict(tmp_path / name)


def test_pth_without_a_state_dict_is_refused(tmp_path):
    torch.save({"epoch": 3, "lr": 0.1}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="holds no state dict"):
        load_state_dict(tmp_path / "other.pth")


def test_what_fits_no_system_names_the_nearest_and_counts_the_others(weights):
    broken = {k: v for k, v in weights.items() if k != "fc1.bias"}
    with pytest.raises(ValueError) as caught:
        recognise(broken)
    message = str(caught.value)
    assert "does not fit the NPR detector (1 problems" in message
    assert "the CNNDetection detector (" in message
    assert "the LaDeDa detector (" in message


def test_unknown_system_is_refused(weights):
    with pytest.raises(ValueError, match=r"'nrp' are known; known: .*npr"):
        recognise(weights, "nrp")


def test_every_system_recognises_its_own_keys_and_no_other():
    """Of shapes alone: a state dict of zeros under each table's own names."""
    known = published_weights()
    models = {system: published.abstract() for system, published in known.items()}
    assert models.keys() == TWINS.keys()
    for system in known:
        arrays = zeros_of(system)
        fitting = [
            name for name in known if not problems_of(known[name].table, models[name], arrays)
        ]
        assert fitting == [system]


def zeros_of(system):
    """Zeros in torch's layout under the keys that torch gives the same layers."""
    twin = TWINS[system]()
    return {k: np.zeros(v.shape, np.float32) for k, v in twin.state_dict().items()}


TWINS = {
    "npr": TorchNPR,
    "cnndetection": ResNet50,
    "ladeda": LaDeDa,
    "freqnet": TorchFreqNet,
    "safe": TorchSAFE,
}
