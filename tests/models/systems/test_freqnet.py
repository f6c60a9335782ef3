"""FreqNet against its PyTorch twin: logits, gradients, batch statistics, names and counts."""

import jax
import numpy as np
import pytest
from flax import nnx

from npr_jax.models.base import count_parameters
from npr_jax.models.systems.freqnet import FreqNet
from npr_jax.models.systems.registry import SYSTEMS, recognise
from tests.models.parity import check_training_step, images

torch = pytest.importorskip("torch", reason="needs the torch extra")

from benchmarks.torch_npr import normalize  # noqa: E402  (imports torch)
from npr_jax.models.pretrained.torch_weights import FREQNET as TABLE  # noqa: E402
from npr_jax.models.pretrained.torch_weights import fill  # noqa: E402
from tests.twins import compare  # noqa: E402
from tests.twins.freqnet import TorchFreqNet  # noqa: E402

# Of the 1x1 convolutions with bias and the two layers of FCL that follow each.
FREQUENCY = (
    (3 * 64 + 64 + 2 * 64 * 64)
    + (64 * 64 + 64 + 2 * 64 * 64)
    + 2 * (256 * 256 + 256 + 2 * 256 * 256)
)
# NPR's 1,437,761, of which its 3x3 stem and the stem's normalisation are no part of FreqNet.
STAGES_AND_HEAD = 1_437_761 - 27 * 64 - 2 * 64


@pytest.fixture(scope="module")
def twin():
    torch.manual_seed(0)
    return compare.randomize(TorchFreqNet())


@pytest.fixture(scope="module")
def ours(twin):
    system, _, model = recognise(compare.state_dict(twin))
    assert system == "freqnet"
    return model


def as_torch(pixels):
    return normalize(torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy()))


def test_parameters_counted_by_hand():
    model = nnx.eval_shape(lambda: FreqNet(rngs=nnx.Rngs(0)))
    assert FREQUENCY + STAGES_AND_HEAD == 1_850_433, "the paper's 1.85 million"
    assert count_parameters(model) == 1_850_433


def test_names_and_shapes_of_published_checkpoints(ours, twin):
    """As far as we know them; whatever else a file holds is refused."""
    shapes = {name: tensor.shape for name, tensor in twin.named_parameters()}
    for name, expected in {
        "weight1": (64, 3, 1, 1),
        "bias1": (64,),
        "realconv1.weight": (64, 64, 1, 1),
        "imagconv2.weight": (64, 64, 1, 1),
        "weight2": (64, 64, 1, 1),
        "weight3": (256, 256, 1, 1),
        "bias4": (256,),
        "realconv4.weight": (256, 256, 1, 1),
        "layer1.0.conv1.weight": (64, 64, 1, 1),
        "layer1.2.bn3.weight": (256,),
        "layer2.0.downsample.0.weight": (512, 256, 1, 1),
        "layer2.3.conv2.weight": (128, 128, 3, 3),
        "fc1.weight": (1, 512),
    }.items():
        assert shapes[name] == expected, name
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == 1_850_433
    with pytest.raises(ValueError, match=r"realconv5\.weight: no such parameter in FreqNet"):
        recognise(
            compare.state_dict(twin) | {"realconv5.weight": np.zeros((1, 1, 1, 1))}, "freqnet"
        )


@pytest.mark.parametrize("size", [(64, 64), (33, 47), (50, 36)])
def test_logits_at_even_and_odd_sizes(ours, twin, size):
    pixels = images(2, *size)
    with torch.no_grad():
        expected = twin.eval()(as_torch(pixels)).numpy()
    np.testing.assert_allclose(compare.logits_of(ours, pixels), expected, rtol=0, atol=1e-4)


def test_a_training_step():
    """Logits 1e-4, norms of gradients 1e-3, running means, with the batch's statistics.

    At an eighth of the width: with 64 channels and images this small, single activations on a
    ReLU's edge, which rounding decides, move norms by up to one percent.
    """
    torch.manual_seed(0)
    twin = compare.randomize(TorchFreqNet(width=8)).train()
    model = thin_model(compare.state_dict(twin))
    check_training_step(model, twin, lambda net, pixels: net(as_torch(pixels)), thin_model, 32)


def thin_model(arrays):
    abstract = nnx.eval_shape(lambda: FreqNet(width=8, rngs=nnx.Rngs(0)))
    return fill(abstract, TABLE, arrays)


def test_every_position_sees_the_whole_image():
    """One corner pixel moves features in the far corner: no padding, no tiles."""
    model = FreqNet(width=4, rngs=nnx.Rngs(0))
    model.eval()
    assert model.whole
    pixels = images(1, 40, 40).astype(np.float32)
    view = jax.jit(lambda x: model.feature_maps([model.front_ends[0](x)], None, None)[0])
    before = view(pixels)
    changed = pixels.copy()  # the first call may still be reading
    changed[0, 0, 0] += 100
    assert before.shape == (1, 3, 3, 32)
    assert np.abs(view(changed) - before)[0, -1, -1].max() > 1e-4


def test_thin_and_half_precision_models_score():
    pixels = images(2, 32, 40)
    exact = FreqNet(width=8, rngs=nnx.Rngs(0))
    half = FreqNet(width=8, dtype=jax.numpy.bfloat16, rngs=nnx.Rngs(0))
    logits = compare.logits_of(half, pixels)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, compare.logits_of(exact, pixels), atol=0.1)
    assert SYSTEMS["freqnet"].rules["width"].accepts(8)
