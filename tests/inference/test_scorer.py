"""Scores do not depend on company, padding or tiles, and few programs are compiled."""

import itertools
import time

import jax
import ml_collections
import numpy as np
import pytest
from flax import nnx

from configs import default, freqnet
from npr_jax.inference import scorer as scoring
from npr_jax.inference import tiling
from npr_jax.inference.scorer import Scorer
from npr_jax.models.base import period, predict
from npr_jax.models.systems.registry import build_model
from tests.models.test_models import randomize_statistics

SMALL_SHAPES = ((48, 48), (64, 96), (128, 128))
SIZES = [(33, 33), (33, 47), (48, 40), (61, 95), (64, 33), (127, 65), (100, 128), (46, 46)]
COMPILED = "/jax/core/compile/backend_compile_duration"


FUSIONS = ("stack", "mean", "concatenation", "fixed", "attention", "spatial", "cross")


def fused(fusion, **changes):
    """Settings of the multi-scale system with a small network."""
    return {
        "name": "multiscale",
        "fusion": fusion,
        "backbone": "thin_resnet",
        "factors": (0.25, 0.5),
        "share_branches": False,
        "batch_branches": False,
        "attention_features": 8,
        "attention_heads": 2,
        "scale_weights": (1.0, 3.0) if fusion == "fixed" else (),
    } | changes


ATTENTION = fused("attention", backbone="light_resnet", attention_features=128)


def build(**changes):
    settings = default.get_model().to_dict() | {"backbone": "light_resnet"} | changes
    config = ml_collections.ConfigDict(settings)
    return randomize_statistics(build_model(config, nnx.Rngs(params=0)), seed=1)


def picture(height, width, seed=0):
    """Noise on a ramp, as uint8."""
    rng = np.random.default_rng([seed, height, width])
    ramp = np.linspace(60, 180, height)[:, None, None] + np.linspace(-40, 40, width)[:, None]
    return np.clip(ramp + rng.normal(0, 30, (height, width, 3)), 0, 255).astype(np.uint8)


def whole(model, image):
    """The model on the image alone, neither padded nor tiled: all of it that has whole blocks."""
    model.eval()
    height, width = (side - side % period(model) for side in image.shape[:2])
    image = image[:height, :width]
    prediction = jax.jit(lambda x: predict(model, x))(image[None])
    return prediction.logits[0], prediction.weights


@pytest.fixture(autouse=True)
def _highest_precision():
    with jax.default_matmul_precision("highest"):
        yield


@pytest.mark.parametrize(
    "changes",
    [
        {"backbone": "cut_resnet50"},
        {"backbone": "shallow_resnet"},
        {"modes": ("bicubic",), "factors": (0.75,)},
        {"modes": ("area",), "factors": (1 / 3,), "colors": ("ycbcr",)},
        {"phases": ((1, 0),), "colors": ("differences",)},
        {"phases": ((3, 7),), "factors": (1 / 8,)},
        {"modes": ("hh",), "colors": ("lab",)},
        {"modes": ("none",), "colors": ("lab",)},
        {"modes": ("bilinear",), "factors": (0.437,), "learn_factors": (True,)},
        ATTENTION | {"factors": (0.25, 0.5)},
        *map(fused, FUSIONS),
        fused("mean", batch_branches=True),
        fused("mean", share_branches=True),
    ],
    ids=[
        *(
            "npr",
            "shallow",
            "bicubic",
            "area",
            "phase",
            "eighth",
            "hh",
            "none",
            "learned",
            "attention",
        ),
        *(f"fusion {fusion}" for fusion in FUSIONS),
        *("batched", "shared"),
    ],
)
def test_a_score_depends_neither_on_the_batch_nor_on_padding(changes, monkeypatch):
    monkeypatch.setitem(scoring.BATCH_PIXELS, "cpu", 4 * 64 * 64)
    model = build(**changes)
    scorer = Scorer(model, shapes=SMALL_SHAPES)
    images = [picture(*size) for size in SIZES]
    together, weights = scorer.score_all(images)
    again = scorer.score_all(images[::-1] + images[:3])[0]
    np.testing.assert_allclose(again[: len(images)][::-1], together, rtol=0, atol=1e-5)
    for index in (1, 5):
        alone, alone_weights = scorer.score_all(images[index : index + 1])
        np.testing.assert_allclose(alone, together[index : index + 1], rtol=0, atol=1e-5)
        expected, expected_weights = whole(model, images[index])
        np.testing.assert_allclose(together[index], expected, rtol=0, atol=1e-5)
        if weights is not None:
            np.testing.assert_allclose(alone_weights[0], weights[index], rtol=0, atol=1e-5)
            np.testing.assert_allclose(weights[index], expected_weights[0], rtol=0, atol=1e-5)
    assert np.ptp(together) > 1e-3, "images that all score alike would prove nothing"


@pytest.mark.parametrize(
    ("changes", "size"),
    [
        ({}, (333, 201)),
        ({}, (334, 202)),
        ({"factors": (1 / 3,), "modes": ("bilinear",)}, (200, 301)),
        ({"factors": (0.4,), "modes": ("area",), "colors": ("ycbcr",)}, (200, 301)),
        ({"factors": (1 / 3,), "phases": ((1, 2),), "colors": ("lab",)}, (200, 301)),
        ({"modes": ("hh",), "colors": ("differences",)}, (200, 301)),
        ({"modes": ("none",), "colors": ("ycbcr",)}, (200, 301)),
        ({"factors": (0.437,), "modes": ("bilinear",), "learn_factors": (True,)}, (200, 301)),
        (
            ATTENTION | {"factors": (0.25, 0.125)},
            (190, 255),
        ),
        *((fused(fusion), (200, 301)) for fusion in FUSIONS),
    ],
    ids=[
        *("npr", "npr even", "bilinear", "area", "phase", "hh", "none", "learned", "attention"),
        *(f"fusion {fusion}" for fusion in FUSIONS),
    ],
)
def test_tiles_add_up_to_the_whole_image(changes, size):
    model = build(**changes)
    scorer = Scorer(model, shapes=((64, 64), (192, 192)))
    image = picture(*size)
    assert len(tiling.plan(*size, model, ((192, 192),))) > 1
    logits, weights = scorer.score_all([image, picture(50, 50)])
    expected, expected_weights = whole(model, image)
    np.testing.assert_allclose(logits[0], expected, rtol=0, atol=1e-5)
    if weights is not None:
        np.testing.assert_allclose(weights[0], expected_weights[0], rtol=0, atol=1e-5)


@pytest.mark.slow
def test_an_image_above_1024_pixels_scores_as_a_whole():
    """The default tiles of the published network."""
    model = build(backbone="cut_resnet50")
    image = picture(1101, 333)
    assert len(tiling.plan(1101, 333, model)) == 2
    logits, _ = Scorer(model).score_all([image])
    np.testing.assert_allclose(logits[0], whole(model, image)[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "backbone",
    ["cut_resnet50", "deep_resnet", "light_resnet", "resnet50", "shallow_resnet", "wide_resnet"],
)
def test_cores_of_tiles_partition_every_image(backbone):
    """Whatever the size, each feature position is summed by exactly one tile."""
    config = default.get_model()
    config.backbone = backbone
    model = nnx.eval_shape(lambda: build_model(config, nnx.Rngs(params=0)))
    [grid] = model.grids
    for length in (1025, 1111, 1999, 3000, 6001):
        picture = np.zeros((length, 64, 3), np.uint8)
        tiles = tiling.plan(length, 64, model)
        _, placement = tiling.batch_of([(picture, tile) for tile in tiles], len(tiles), model)
        covered = [
            tile.rows.start // grid.stride + place
            for tile, core in zip(tiles, placement.core_rows[0], strict=True)
            for place in np.flatnonzero(core)
        ]
        assert covered == list(range(-(-length // grid.stride)))
        for tile in tiles:
            assert tile.rows.stop - tile.rows.start <= 1024
            assert tile.rows.start % grid.stride == 0


@pytest.mark.slow
def test_at_most_twelve_compilations_for_a_folder_of_odd_sizes():
    compiled = []

    def listener(event, duration, **details):
        if event == COMPILED:
            compiled.append(details.get("fun_name", event))

    sides = (33, 64, 65, 129, 255, 257, 385, 511, 513, 700, 769, 1023, 1025, 1100)
    sizes = [size for size in itertools.product(sides, sides) if size[0] * size[1] < 200 * 1100]
    images = [picture(*size) for size in sizes]
    images += [picture(1024, 1024), picture(768, 1000), picture(1000, 700), picture(1300, 1025)]
    scorer = Scorer(build())
    jax.monitoring.register_event_duration_secs_listener(listener)
    try:
        logits, _ = scorer.score_all(images)
    finally:
        jax.monitoring.unregister_event_duration_listener(listener)
    assert np.isfinite(logits).all()
    assert len(logits) == len(images)
    assert 2 <= len(compiled) <= 12, compiled


def test_thirty_two_pixels_are_enough_and_fewer_are_refused():
    scorer = Scorer(build(), shapes=SMALL_SHAPES)
    assert np.isfinite(scorer.score_all([picture(32, 32)])[0]).all()
    for size in ((31, 40), (200, 31)):
        with pytest.raises(ValueError, match=rf"{size[0]}x{size[1]} pixels, at least 32x32"):
            scorer.score_all([picture(*size)])


@pytest.mark.parametrize(
    "image",
    [np.zeros((40, 40), np.uint8), np.zeros((40, 40, 4), np.uint8), np.zeros((40, 40, 3))],
    ids=["grey", "four channels", "float"],
)
def test_other_arrays_are_refused(image):
    with pytest.raises(ValueError, match=r"expected uint8 \[height, width, 3\]"):
        Scorer(build(), shapes=SMALL_SHAPES).score_all([image])


def test_no_images_no_scores():
    logits, weights = Scorer(build(), shapes=SMALL_SHAPES).score_all([])
    assert logits.shape == (0,)
    assert logits.dtype == np.float32
    assert weights is None


def test_the_callers_model_stays_as_it_was():
    """In training mode, its trained factors where they started: it may go on learning."""
    learned = {"modes": ("bilinear",), "factors": (0.437,), "learn_factors": (True,)}
    model = build(**learned)
    model.train()
    before = str(nnx.split(model))
    _, params, statistics = nnx.split(model, nnx.Param, ...)
    halved = jax.tree.map(lambda x: x / 2, params)
    image = picture(40, 40)
    first = Scorer(model, shapes=SMALL_SHAPES)
    [logit], _ = first.score_all([image])
    [other], _ = first.with_variables(halved, statistics).score_all([image])
    assert str(nnx.split(model)) == before
    assert other != logit
    assert first.score_all([image])[0] == [logit]


@pytest.fixture
def sees_whole():
    """A small network that needs every image whole and at its own size."""
    config = freqnet.get_config().model
    config.width = 4
    return build_model(config, nnx.Rngs(params=0))


def test_images_of_many_sizes_do_not_all_wait_for_company(sees_whole, monkeypatch):
    """Without a bound every image of an endless stream of sizes would be kept."""
    monkeypatch.setattr(scoring, "MOST_WAITING", 2)
    taken = itertools.count()
    images = (picture(32, 32 + next(taken)) for _ in range(6))
    first = next(Scorer(sees_whole).features(images))
    assert first[0] == 0, "the oldest size goes first"
    assert next(taken) < 6, "a score came before the stream had ended"


def test_programs_of_many_sizes_are_dropped_again_and_announced(sees_whole, monkeypatch, caplog):
    monkeypatch.setattr(scoring, "MOST_PROGRAMS", 2)
    monkeypatch.setattr(scoring, "MANY_SIZES", 2)
    scorer = Scorer(sees_whole)
    images = [picture(32, width) for width in (32, 34, 36)]
    logits = scorer.score_all(images)[0]
    assert scorer._sums._cache_size() <= 2
    assert "compiled anew for each size" in caplog.text
    for image, logit in zip(images, logits, strict=True):
        np.testing.assert_allclose(logit, whole(sees_whole, image)[0], rtol=0, atol=1e-5)


def test_networks_that_take_tiles_announce_nothing(monkeypatch, caplog):
    monkeypatch.setattr(scoring, "MANY_SIZES", 1)
    Scorer(build(backbone="thin_resnet"), SMALL_SHAPES).score_all([picture(32, 40)])
    assert not caplog.text


def test_an_image_of_a_rare_size_does_not_wait_for_another(monkeypatch):
    """Results come in the order of the images, so all that follow would wait with it."""
    monkeypatch.setattr(scoring, "MOST_BEHIND", 4)
    monkeypatch.setattr(scoring, "BATCHES_BEHIND", 1)
    monkeypatch.setattr(scoring, "HEAD_ROWS", 1)
    scorer = Scorer(build(), shapes=SMALL_SHAPES)
    taken = []

    def images():
        yield picture(33, 33)
        for seed in range(200):
            taken.append(seed)
            yield picture(100, 100, seed)

    rows = scorer._rows((48, 48))
    assert rows > 1, "it has company to wait for"
    for scored in scorer.score(images()):
        if scored.position == 0:
            break
    assert len(taken) <= 2 * max(4, rows)


def test_missing_images_let_results_come(monkeypatch):
    """Of a folder of one picture and a million broken files the picture's row is not the last."""
    monkeypatch.setattr(scoring, "LONGEST_WAIT", -1.0)
    scorer = Scorer(build(), shapes=SMALL_SHAPES)
    image = picture(33, 33)
    taken = []

    def images():
        yield None
        yield image
        for number in range(10**6):
            taken.append(number)
            yield None
            time.sleep(1e-4)

    for scored in scorer.score_sparse(images()):
        if scored is not None:
            break
    assert scored.position == 0
    assert scored.logit == scorer.score_all([image])[0][0]
    assert len(taken) < 10**5
