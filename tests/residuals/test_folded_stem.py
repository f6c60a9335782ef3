"""The folded stem is the plain one at even sizes, and is taken there and nowhere else."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal
from flax import nnx

from npr_jax.inference import scorer as scoring
from npr_jax.inference import tiling
from npr_jax.inference.scorer import Scorer
from npr_jax.models.resnet import THIN_RESNET
from npr_jax.models.systems.npr import NPR
from npr_jax.residuals.folded_stem import folded_kernel, folded_kernels, folds
from npr_jax.residuals.front_end import paper_front_end
from tests.inference.test_scorer import ATTENTION, SMALL_SHAPES, build, fused, picture, whole

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture(autouse=True)
def _highest_precision():
    with jax.default_matmul_precision("highest"):
        yield


def plain_stem(image, kernel):
    """Normalise, take the residual at 0.5, times 2/3, 3x3 of stride 2 padded by 1; float64."""
    x = (image / 255.0 - MEAN) / DEVIATION
    height, width = image.shape[:2]

    def references(length):
        small = length // 2
        # torch's nearest, down and up; in float32, as it computes.
        scale = np.float32(small) / np.float32(length)
        up = np.floor(np.arange(length, dtype=np.float32) * scale).astype(int)
        down = np.floor(np.arange(small, dtype=np.float32) * (np.float32(1) / scale)).astype(int)
        return down[np.minimum(up, small - 1)]

    residual = (x - x[references(height)][:, references(width)]) * (2.0 / 3.0)
    return correlate(residual, kernel, ((1, 1), (1, 1)))


def correlate(image, kernel, padding):
    """Cross-correlation of stride 2, by scipy: ``[h, w, c]`` with ``[k, k, c, o]``."""
    padded = np.pad(image.astype(np.float64), (*padding, (0, 0)))
    planes = [
        sum(
            scipy.signal.correlate2d(padded[..., c], kernel[..., c, o], mode="valid")
            for c in range(image.shape[-1])
        )
        for o in range(kernel.shape[-1])
    ]
    return np.stack(planes, axis=-1)[::2, ::2]


def noise(height, width):
    return np.random.default_rng([height, width]).integers(0, 256, (height, width, 3))


KERNEL = np.random.default_rng(5).normal(0, 0.2, (3, 3, 3, 4))
SCALE = tuple(2.0 / 3.0 / 255.0 / np.array(DEVIATION))


@pytest.mark.parametrize("size", [(2, 2), (32, 32), (34, 48), (62, 100), (36, 38)])
def test_one_kernel_is_the_whole_stem_at_even_sizes(size):
    image = noise(*size)
    folded = correlate(image, folded_kernel(KERNEL, SCALE), ((2, 0), (2, 0)))
    expected = plain_stem(image, KERNEL)
    assert folded.shape == expected.shape
    np.testing.assert_allclose(folded, expected, rtol=0, atol=1e-12)
    assert np.abs(expected).max() > 0.5


@pytest.mark.parametrize("size", [(33, 32), (32, 33), (65, 65)])
def test_at_odd_sizes_it_is_not(size):
    image = noise(*size)
    folded = correlate(image, folded_kernel(KERNEL, SCALE), ((2, 0), (2, 0)))
    expected = plain_stem(image, KERNEL)
    rows, columns = folded.shape[:2]
    assert np.abs(folded - expected[:rows, :columns]).max() > 0.5


def test_blocks_of_the_kernel_add_up_to_zero():
    """Hence level and zeros on padding do not matter."""
    blocks = folded_kernel(KERNEL, SCALE).reshape(2, 2, 2, 2, 3, 4).sum(axis=(1, 3))
    np.testing.assert_allclose(blocks, 0, atol=1e-16)


def test_only_3x3_kernels_fold():
    with pytest.raises(ValueError, match="7x7; only 3x3"):
        folded_kernel(np.zeros((7, 7, 3, 4)), SCALE)


@pytest.mark.parametrize(
    "other",
    [
        {"factor": 0.25},
        {"factor": 0.75},
        {"mode": "bilinear"},
        {"mode": "none"},
        {"phase": (0, 1)},
        {"color": "ycbcr"},
        {"mode": "bilinear", "learned": True},
    ],
)
def test_other_front_ends_do_not_fold(other):
    assert folds(paper_front_end(0.5))
    assert not folds(paper_front_end(**({"factor": 0.5} | other)))


@pytest.mark.parametrize(
    ("changes", "views"),
    [
        ({}, {0}),
        ({"dtype": "bfloat16"}, set()),
        (ATTENTION | {"factors": (0.25, 0.5, 0.75, 0.5)}, {1, 3}),
        (fused("stack"), set()),
        (fused("mean", share_branches=True), set()),
        (fused("mean", batch_branches=True), set()),
        (fused("cross"), {1}),
    ],
    ids=["npr", "bfloat16", "attention", "stack", "shared", "batched", "cross"],
)
def test_which_stems_of_a_model_fold(changes, views):
    assert set(folded_kernels(build(**({"backbone": "thin_resnet"} | changes)))) == views


def test_a_stem_of_7x7_does_not_fold():
    shape = dataclasses.replace(THIN_RESNET, stem=7)
    model = NPR(front_end=paper_front_end(0.5), backbone=shape, rngs=nnx.Rngs(params=0))
    assert folded_kernels(model) == {}
    assert np.isfinite(Scorer(model, SMALL_SHAPES).score_all([picture(64, 64)])[0]).all()


@pytest.fixture
def wrong_where_folded(monkeypatch):
    """A scorer's stems, where they are folded, count double."""

    def doubled(model):
        return {index: 2 * kernel for index, kernel in folded_kernels(model).items()}

    monkeypatch.setattr(scoring, "folded_kernels", doubled)


EVEN = [(32, 32), (34, 48), (48, 46), (64, 96), (62, 100)]
ODD = [(33, 47), (32, 33), (33, 32), (47, 48), (48, 95), (127, 65)]


@pytest.mark.parametrize("changes", [{}, ATTENTION | {"factors": (0.25, 0.5)}], ids=["npr", "two"])
def test_even_images_alone_are_folded(changes, monkeypatch, wrong_where_folded):
    """Among each other and in any order; odd images score to the bit as without the fold."""
    monkeypatch.setitem(scoring.BATCH_PIXELS, "cpu", 4 * 64 * 64)
    model = build(backbone="thin_resnet", **changes)
    images = [picture(*size) for size in EVEN + ODD]
    order = np.random.default_rng(0).permutation(len(images))
    folded = Scorer(model, SMALL_SHAPES).score_all([images[i] for i in order])[0]
    monkeypatch.setattr(scoring, "folded_kernels", lambda model: {})
    plain = Scorer(model, SMALL_SHAPES).score_all([images[i] for i in order])[0]
    even = np.isin(order, range(len(EVEN)))
    np.testing.assert_array_equal(folded[~even], plain[~even])
    assert np.abs(folded[even] - plain[even]).min() > 1e-3


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"backbone": "cut_resnet50"}, marks=pytest.mark.slow),
        ATTENTION | {"factors": (0.25, 0.5, 0.5), "backbone": "thin_resnet"},
        pytest.param(fused("spatial"), marks=pytest.mark.slow),
        pytest.param(fused("cross"), marks=pytest.mark.slow),
    ],
    ids=["npr", "attention", "spatial", "cross"],
)
def test_an_even_image_scores_as_without_the_fold(changes):
    model = build(**changes)
    images = [picture(*size) for size in ((64, 96), (34, 48))]
    logits = Scorer(model, SMALL_SHAPES).score_all(images)[0]
    expected = [float(whole(model, image)[0]) for image in images]
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5)


def test_tiles_of_an_even_image_add_up_to_the_whole():
    model = build(backbone="thin_resnet")
    image = picture(334, 202)
    assert len(tiling.plan(334, 202, model, ((192, 192),))) > 1
    logits = Scorer(model, shapes=((64, 64), (192, 192))).score_all([image])[0]
    np.testing.assert_allclose(logits[0], whole(model, image)[0], rtol=0, atol=1e-5)


def test_new_parameters_are_folded_too():
    """As during training, where one scorer validates every epoch."""
    first, second = build(backbone="thin_resnet"), build(backbone="thin_resnet")
    second.backbone.conv1.kernel[...] = jnp.asarray(
        np.random.default_rng(3).normal(0, 0.3, second.backbone.conv1.kernel.shape), jnp.float32
    )
    image = picture(64, 64)
    scorer = Scorer(first, SMALL_SHAPES)
    before = scorer.score_all([image])[0]
    _, params, statistics = nnx.split(second, nnx.Param, nnx.BatchStat)
    after = scorer.with_variables(params, statistics).score_all([image])[0]
    np.testing.assert_allclose(after[0], whole(second, image)[0], rtol=0, atol=1e-5)
    assert abs(after[0] - before[0]) > 1e-3
    np.testing.assert_array_equal(scorer.score_all([image])[0], before)
