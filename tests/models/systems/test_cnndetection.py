"""CNNDetection against an independent PyTorch version, and torchvision's file as a start."""

import dataclasses
import functools

import jax
import ml_collections
import numpy as np
import pytest
from flax import nnx

from configs import cnndetection
from npr_jax.config import check_config
from npr_jax.inference.scorer import Scorer
from npr_jax.models.base import count_parameters, predict, whole_maps
from npr_jax.models.pretrained.torch_weights import CNNDETECTION as TABLE
from npr_jax.models.pretrained.torch_weights import fill
from npr_jax.models.resnet import THIN_RESNET, TORCHVISION_RESNET50, ResNetShape
from npr_jax.models.systems.cnndetection import rgb_resnet
from npr_jax.models.systems.registry import SYSTEMS, build_model, recognise
from tests.models.parity import check_training_step, images

torch = pytest.importorskip("torch", reason="needs the torch extra")

from tests.twins import compare  # noqa: E402  (imports torch)
from tests.twins.resnet50 import ResNet50, normalised  # noqa: E402  (imports torch)
from tests.twins.weights import arrays, randomised  # noqa: E402

# torchvision's documented count for 1000 classes, whose classifier is 2048 x 1000 + 1000.
TORCHVISION_PARAMETERS = 25_557_032
# Channels, blocks and channels in of the four stages.
STAGES = ((64, 3, 64), (128, 4, 256), (256, 6, 512), (512, 3, 1024))


def torchvision_shapes(outputs):
    """Names and shapes of torchvision's file, from its documented layout."""
    shapes = {"conv1.weight": (64, 3, 7, 7)}

    def norm(name, channels):
        for leaf in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.{leaf}"] = (channels,)
        shapes[f"{name}.num_batches_tracked"] = ()

    norm("bn1", 64)
    for number, (width, blocks, first) in enumerate(STAGES, 1):
        for index in range(blocks):
            block = f"layer{number}.{index}"
            channels_in = first if index == 0 else 4 * width
            shapes[f"{block}.conv1.weight"] = (width, channels_in, 1, 1)
            shapes[f"{block}.conv2.weight"] = (width, width, 3, 3)
            shapes[f"{block}.conv3.weight"] = (4 * width, width, 1, 1)
            for layer, channels in ((1, width), (2, width), (3, 4 * width)):
                norm(f"{block}.bn{layer}", channels)
            if index == 0:
                shapes[f"{block}.downsample.0.weight"] = (4 * width, channels_in, 1, 1)
                norm(f"{block}.downsample.1", 4 * width)
    shapes |= {"fc.weight": (outputs, 2048), "fc.bias": (outputs,)}
    return shapes


def small_arrays(shapes):
    return {
        name: np.full(shape, 0.01, np.float32) if shape else np.int64(1)
        for name, shape in shapes.items()
    }


SMALL_STAGES = ((8, 1), (16, 2))
SMALL = ResNetShape(stages=SMALL_STAGES, bottleneck=True, width=16, stem=7)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param((TORCHVISION_RESNET50, {}), marks=pytest.mark.slow),
        (SMALL, {"width": 16, "stages": SMALL_STAGES}),
    ],
    ids=["resnet50", "small"],
)
def pair(request):
    """The twin, and what makes our model of arrays of its names."""
    shape, sizes = request.param
    abstract = nnx.eval_shape(lambda: rgb_resnet(shape, rngs=nnx.Rngs(0)))
    return randomised(ResNet50(**sizes)), functools.partial(fill, abstract, TABLE)


def test_parameter_counts():
    shapes = torchvision_shapes(1000)
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    trained = {k: v for k, v in shapes.items() if not k.endswith(statistics)}
    assert sum(int(np.prod(v)) for v in trained.values()) == TORCHVISION_PARAMETERS
    model = nnx.eval_shape(lambda: build_model(cnndetection.get_config().model, nnx.Rngs(params=0)))
    assert count_parameters(model) == TORCHVISION_PARAMETERS - 1000 * 2049 + 2049 == 23_510_081


@pytest.mark.parametrize("size", [(64, 64), (71, 53)], ids=["even", "odd"])
def test_logits(pair, size):
    twin, filled = pair
    pixels = images(2, *size)
    twin.eval()
    with torch.no_grad():
        expected = twin(normalised(pixels))[:, 0].numpy()
    ours = compare.logits_of(filled(arrays(twin)), pixels)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("side", [64, 53], ids=["even", "odd"])
def test_a_training_step(pair, side):
    twin, filled = pair
    check_training_step(
        filled(arrays(twin)), twin, lambda net, pixels: net(normalised(pixels))[:, 0], filled, side
    )


def test_published_files_are_recognised_and_scored_at_native_size():
    system, published, model = recognise(small_arrays(torchvision_shapes(1)))
    assert (system, published.resize, published.crop) == ("cnndetection", 0, 0)
    assert count_parameters(model) == 23_510_081


def test_torchvisions_file_starts_a_run_and_its_classifier_is_dropped(tmp_path):
    shapes = torchvision_shapes(1000)
    state = {k: torch.from_numpy(np.asarray(v)) for k, v in small_arrays(shapes).items()}
    torch.save(state, tmp_path / "resnet50.pth")
    config = cnndetection.get_config()
    config.model.imagenet_weights = str(tmp_path / "resnet50.pth")
    check_config(config)
    model = nnx.eval_shape(lambda: build_model(config.model, nnx.Rngs(params=0)))
    drawn = nnx.state(model, nnx.Param, nnx.BatchStat)
    params, statistics = SYSTEMS["cnndetection"].start(config.model, *drawn)
    flat = dict(nnx.to_flat_state(params))
    assert flat[("backbone", "conv1", "kernel")].get_value()[0, 0, 0, 0] == np.float32(0.01)
    kernel = flat[("classifier", "kernel")].get_value()
    assert isinstance(kernel, jax.ShapeDtypeStruct), "the classifier stays as it was drawn"
    given = [v.get_value() for _, v in nnx.to_flat_state(statistics)]
    assert all(isinstance(value, jax.Array) for value in given)


def test_weights_need_torchvisions_stem():
    config = cnndetection.get_config()
    config.model.imagenet_weights, config.model.backbone = "a.pth", "thin_resnet"
    with pytest.raises(ValueError, match="backbone=torchvision_resnet50"):
        check_config(config)


def test_class_activation_map_averages_to_the_logit():
    config = ml_collections.ConfigDict(cnndetection.get_config().model)
    config.backbone = "thin_resnet"
    model = build_model(config, nnx.Rngs(params=0))
    model.eval()
    maps = jax.jit(lambda x: whole_maps(model, x))(images(2, 48, 61))
    prediction = model.head([m.mean((1, 2)) for m in maps])
    positions = model.position_logits(maps, prediction)
    assert positions.shape == (2, 6, 8)
    np.testing.assert_allclose(positions.mean((1, 2)), prediction.logits, atol=1e-5)


@pytest.mark.parametrize("size", [(90, 101), (150, 200)], ids=["padded", "tiled"])
def test_padded_and_tiled_images_score_as_alone(size):
    shape = dataclasses.replace(THIN_RESNET, stem=7)
    model = rgb_resnet(shape, rngs=nnx.Rngs(params=0))
    model.eval()
    image = images(1, *size)
    ours = Scorer(model, shapes=((128, 128),)).score_all(image)[0]
    np.testing.assert_allclose(ours, predict(model, image).logits, atol=2e-5)


def test_head_is_drawn_with_deviation_002():
    config = ml_collections.ConfigDict(cnndetection.get_config().model)
    config.backbone = "cut_resnet50"
    model = build_model(config, nnx.Rngs(params=3))
    kernel = np.asarray(model.classifier.kernel[...])
    assert kernel.shape == (512, 1)
    assert abs(kernel.std() - 0.02) < 0.002
