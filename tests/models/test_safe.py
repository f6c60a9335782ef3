"""SAFE against its PyTorch twin: logits, a training step, names and counts, two rows as one."""

import numpy as np
import pytest
from flax import nnx

from npr_jax.models import count_parameters

torch = pytest.importorskip("torch", reason="needs the torch extra")
pytest.importorskip("pywt", reason="needs the test extra")

from npr_jax.interop.registry import recognise  # noqa: E402
from tests.twins import compare  # noqa: E402  (imports torch)
from tests.twins.safe import TorchSAFE, wavelet_band  # noqa: E402


@pytest.fixture(scope="module")
def twin():
    torch.manual_seed(0)
    return compare.randomize(TorchSAFE())


@pytest.fixture(scope="module")
def ours(twin):
    published, model = recognise(compare.state_dict(twin))
    assert published.name == "safe", "the head's two rows tell it from NPR"
    assert published.resize == 0
    return model


def images(n, height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, height, width, 3), np.uint8)


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


def test_a_training_step(ours, twin):
    """The softmax over two classes has the sigmoid's loss and gradients on the difference."""
    pixels, labels = images(4, 48, 48, seed=1), np.array([0, 1, 1, 0])
    before = compare.state_dict(twin)
    logits, gradients, statistics = compare.training_pass(ours, pixels, labels)
    twin.train()
    classes = twin(wavelet_band(pixels))
    torch.nn.functional.cross_entropy(classes, torch.from_numpy(labels)).backward()
    expected_logits = (classes[:, 1] - classes[:, 0]).detach()
    np.testing.assert_allclose(logits, expected_logits, rtol=0, atol=1e-4)
    expected = compare.flat(nnx.state(recognise(compare.gradients_as_state(twin), "safe")[1]))
    for name, gradient in compare.flat(gradients).items():
        norms = [np.linalg.norm(a) for a in (gradient, expected[name])]
        np.testing.assert_allclose(*norms, rtol=1e-3, err_msg=name)
    for name, statistic in compare.flat(statistics).items():
        if name.endswith("mean"):
            np.testing.assert_allclose(statistic, expected[name], atol=1e-4, err_msg=name)
    twin.load_state_dict({name: torch.from_numpy(a) for name, a in before.items()})
