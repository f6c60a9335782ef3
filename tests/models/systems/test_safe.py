"""SAFE against its PyTorch twin: logits, a training step, names and counts, two rows as one."""

import numpy as np
import pytest

from npr_jax.inference.position_maps import PositionMaps
from npr_jax.models.base import count_parameters
from tests.models.parity import check_training_step, images

torch = pytest.importorskip("torch", reason="needs the torch extra")
pytest.importorskip("pywt", reason="needs the test extra")

from npr_jax.models.systems.registry import recognise  # noqa: E402
from tests.twins import compare  # noqa: E402  (imports torch)
from tests.twins.safe import TorchSAFE, wavelet_band  # noqa: E402
from tests.twins.weights import randomised  # noqa: E402


@pytest.fixture(scope="module")
def twin():
    torch.manual_seed(0)
    return randomised(TorchSAFE())


@pytest.fixture(scope="module")
def ours(twin):
    system, published, model = recognise(compare.state_dict(twin))
    assert system == "safe", "the head's two rows tell it from NPR"
    assert (published.resize, published.crop) == (0, 256), "the centre 256 pixels at native size"
    return model


def test_parameters_are_nprs_and_a_second_row(ours):
    assert count_parameters(ours) == 1_437_761 + 513


def test_names_and_shapes_of_published_checkpoints(reference_inputs, twin):
    """NPR's, asserted from its published file, but for the head's two rows."""
    expected = reference_inputs.state_dict_shapes()
    expected |= {"fc1.weight": (2, 512), "fc1.bias": (2,)}
    shapes = {k: tuple(v.shape) for k, v in twin.state_dict().items() if "num_batches" not in k}
    assert shapes == expected


@pytest.mark.parametrize("size", [(64, 64), (33, 47), (50, 36)])
def test_logits_at_even_and_odd_sizes(ours, twin, size):
    pixels = images(2, *size)
    with torch.no_grad():
        classes = twin.eval()(wavelet_band(pixels)).numpy()
    logits = compare.logits_of(ours, pixels)
    np.testing.assert_allclose(logits, classes[:, 1] - classes[:, 0], rtol=0, atol=1e-4)


def test_class_activation_map_averages_to_the_logit(ours):
    pixels = images(2, 46, 64)
    found = PositionMaps(ours)(pixels[1])
    assert found["position_logits"].shape == (6, 8)
    [expected] = compare.logits_of(ours, pixels[1:])
    np.testing.assert_allclose(found["position_logits"].mean(), expected, atol=1e-5)


def test_a_training_step(ours, twin):
    """The softmax over two classes has the sigmoid's loss and gradients on the difference."""
    check_training_step(
        ours,
        twin,
        lambda net, pixels: net(wavelet_band(pixels)),
        lambda arrays: recognise(arrays, "safe")[2],
        48,
    )
