"""LaDeDa: its field of view, its patch map, and an independent PyTorch version."""

import functools

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest
from flax import nnx

from configs import ladeda
from npr_jax.inference.scorer import Scorer
from npr_jax.models.base import count_parameters, predict, whole_maps
from npr_jax.models.patch_resnet import LADEDA9, THIN_PATCH, PatchResNet
from npr_jax.models.pretrained.torch_weights import LADEDA as TABLE
from npr_jax.models.pretrained.torch_weights import fill
from npr_jax.models.systems.ladeda import ladeda as ladeda_network
from npr_jax.models.systems.registry import build_model, recognise
from npr_jax.residuals.front_end import paper_front_end
from tests.models.parity import check_training_step, images

FIELD, STRIDE = 9, 8


def thin(seed=0):
    config = ml_collections.ConfigDict(ladeda.get_config().model)
    config.backbone, config.stem_momentum = "thin_patch", 0.1
    model = build_model(config, nnx.Rngs(params=seed))
    model.eval()
    return model


@pytest.mark.parametrize("shape", [LADEDA9, THIN_PATCH], ids=["ladeda9", "thin"])
def test_grid(shape):
    assert (shape.stride, shape.field) == (STRIDE, FIELD)


@pytest.mark.parametrize("size", [(41, 50), (48, 33)])
def test_each_position_sees_exactly_its_patch(size):
    backbone = PatchResNet(THIN_PATCH, stem_momentum=0.1, rngs=nnx.Rngs(params=0))
    backbone.eval()
    x = jnp.asarray(np.random.default_rng(0).normal(size=(1, *size, 3)), jnp.float32)
    rows, columns = ((n - FIELD) // STRIDE + 1 for n in size)
    assert jax.eval_shape(backbone, x).shape[1:3] == (rows, columns)
    gradient = jax.jit(lambda i, j: jax.grad(lambda x: jnp.abs(backbone(x)[0, i, j]).sum())(x))
    for i, j in [(0, 0), (rows - 1, columns - 1), (1, 2)]:
        seen = np.abs(gradient(i, j)[0]).sum(-1) > 0
        expected = np.zeros(size, bool)
        expected[STRIDE * i : STRIDE * i + FIELD, STRIDE * j : STRIDE * j + FIELD] = True
        np.testing.assert_array_equal(seen, expected)


def test_patch_map_averages_to_the_logit():
    model, pixels = thin(), images(2, 47, 64)
    maps = jax.jit(lambda x: whole_maps(model, x))(pixels)
    prediction = model.head([m.mean((1, 2)) for m in maps])
    positions = model.position_logits(maps, prediction)
    assert positions.shape == (2, 5, 7)
    np.testing.assert_allclose(positions.mean((1, 2)), prediction.logits, atol=1e-5)


@pytest.mark.parametrize("shapes", [((128, 128),), ((64, 64),)], ids=["padded", "tiled"])
def test_padded_and_tiled_images_score_as_alone(shapes):
    model = thin()
    odd = [images(1, *size, seed=n)[0] for n, size in enumerate([(90, 101), (64, 127)])]
    even = [odd[0][:, :100], odd[1][:, :126]]  # whole blocks of the residual
    alone = [float(predict(model, image[None]).logits[0]) for image in even]
    np.testing.assert_allclose(Scorer(model, shapes).score_all(odd)[0], alone, atol=1e-5)


def hand_count():
    """Convolutions without bias, two numbers per normalised channel, the classifier."""
    count = 3 * 64 + 9 * 64 * 64 + 2 * 64 + 2048 + 1
    width = 64
    for channels, blocks, spatial in ((64, 3, 9), (128, 4, 9), (256, 6, 1), (512, 3, 1)):
        for index in range(blocks):
            middle = spatial if index == 0 else 1
            count += width * channels + middle * channels**2 + 4 * channels**2
            count += 2 * (channels + channels + 4 * channels)
            if index == 0:
                count += width * 4 * channels + 2 * 4 * channels
            width = 4 * channels
    return count


def test_parameter_count():
    config = ladeda.get_config().model
    model = nnx.eval_shape(lambda: build_model(config, nnx.Rngs(params=0)))
    assert count_parameters(model) == hand_count() == 13_641_793


torch = pytest.importorskip("torch", reason="needs the torch extra")

from tests.twins import compare  # noqa: E402  (imports torch)
from tests.twins.ladeda import LaDeDa as TorchLaDeDa  # noqa: E402
from tests.twins.ladeda import residual  # noqa: E402
from tests.twins.weights import arrays, randomised  # noqa: E402

PUBLISHED = {"width": 64, "channels": (64, 128, 256, 512), "blocks": (3, 4, 6, 3)}
THIN = {"width": 16, "channels": (8, 16, 16, 16), "blocks": (1, 1, 1, 1)}


@pytest.fixture(
    scope="module",
    params=[pytest.param((LADEDA9, PUBLISHED), marks=pytest.mark.slow), (THIN_PATCH, THIN)],
    ids=["ladeda9", "thin"],
)
def pair(request):
    """The twin, and what makes our model of arrays of its names."""
    shape, sizes = request.param
    abstract = nnx.eval_shape(lambda: ladeda_network(paper_front_end(0.5), shape, rngs=nnx.Rngs(0)))
    return randomised(TorchLaDeDa(**sizes)), functools.partial(fill, abstract, TABLE)


@pytest.mark.parametrize("size", [(64, 64), (71, 53)], ids=["even", "odd"])
def test_logits(pair, size):
    twin, filled = pair
    pixels = images(2, *size)
    twin.eval()
    with torch.no_grad():
        expected = twin(residual(pixels)).numpy()
    ours = compare.logits_of(filled(arrays(twin)), pixels)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("side", [64, 53], ids=["even", "odd"])
def test_a_training_step(pair, side):
    """The stem's running mean moves by a thousandth, all others by a tenth."""
    twin, filled = pair
    check_training_step(
        filled(arrays(twin)), twin, lambda net, pixels: net(residual(pixels)), filled, side
    )


def test_published_files_are_recognised_and_scored_as_the_recipe_does():
    system, published, model = recognise(arrays(TorchLaDeDa()))
    assert (system, published.resize, published.crop) == ("ladeda", 256, 0)
    assert count_parameters(model) == 13_641_793


def test_keys_of_the_file():
    """Names and shapes as the paper's layers give under BagNet's names."""
    shapes = {name: value.shape for name, value in TorchLaDeDa().state_dict().items()}
    assert shapes["conv1.weight"] == (64, 3, 1, 1)
    assert shapes["conv2.weight"] == (64, 64, 3, 3)
    threes = {n for n, s in shapes.items() if len(s) == 4 and s[2:] == (3, 3)}
    assert threes == {"conv2.weight", "layer1.0.conv2.weight", "layer2.0.conv2.weight"}
    assert shapes["layer4.2.bn3.running_var"] == (2048,)
    assert shapes["fc.weight"] == (1, 2048)
