"""Front ends by config: what each setting does, and what is refused."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest
from flax import nnx

from configs import default, npr, residuals
from npr_jax.config import check_config
from npr_jax.inference.detector import Detector
from npr_jax.models.base import learned_factors, predict
from npr_jax.models.systems.registry import build_model
from npr_jax.models.systems.system import front_ends_of
from npr_jax.residuals.front_end import FrontEnd, paper_front_end
from npr_jax.training.train import train
from tests import runs

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 33, 48, 3)).astype(np.uint8)


def model_config(**changes):
    settings = default.get_model().to_dict() | {"backbone": "thin_resnet"} | changes
    return ml_collections.ConfigDict(settings)


def test_recipes_set_what_stands_after_the_colon():
    for text, expected in [
        ("mode=area,factor=1/3,color=ycbcr", {"modes": ("area",), "colors": ("ycbcr",)}),
        ("phase=1-0", {"phases": ((1, 0),), "modes": ("nearest",), "factors": (0.5,)}),
        ("learn,factor=0.4", {"learn_factors": (True,), "modes": ("bilinear",)}),
        ("mode=hh", {"modes": ("hh",)}),
    ]:
        config = residuals.get_config(text)
        check_config(config)
        assert {key: config.model[key] for key in expected} == expected
    assert npr.get_config("0.25").model.factors == (0.25,)
    for text in ("modes=area", "area", "phase=1", "factor=x", "mode="):
        with pytest.raises(ValueError, match=r"residual choice|no ROW-COLUMN|no number"):
            residuals.get_config(text)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"phases": ((2, 0),)}, "phase is 2 at factor 0.5; expected 0 to 1"),
        ({"phases": ((1, 0),), "modes": ("area",)}, "only nearest has a reference pixel"),
        ({"phases": (1,)}, "model.phases is"),
        ({"colors": ("hsv",)}, "rgb, ycbcr, lab, differences"),
        ({"learn_factors": (True,)}, "needs mode bilinear, not nearest"),
        ({"colors": ("rgb", "lab")}, "model.colors is .* takes exactly one residual"),
        (
            {"learn_factors": (True,), "modes": ("bilinear",), "factors": (0.05,)},
            "expected 0.1 to 0.95 where it is learned",
        ),
    ],
)
def test_a_front_end_that_cannot_be_is_refused_with_the_config(changes, message):
    config = default.get_config()
    config.model.update(changes)
    with pytest.raises(ValueError, match=message):
        check_config(config)


def test_every_setting_is_broadcast_and_survives_json():
    config = model_config(
        factors=(0.5, 0.25), modes=("nearest", "bilinear"), learn_factors=(False, True),
        phases=((0, 1), (0, 0)), colors=("lab",),
    )  # fmt: skip
    first, second = front_ends_of(config)
    assert (first.phase, first.color, first.learned) == ((0, 1), "lab", False)
    assert (second.factor, second.color, second.learned) == (0.25, "lab", True)
    assert (first.name, second.name) == ("0.5 phase 0-1 lab", "bilinear 0.25 learned lab")
    for front_end in (first, second):
        text = json.dumps(dataclasses.asdict(front_end))
        assert FrontEnd.from_json(json.loads(text)) == front_end


def test_scaling_is_the_papers_and_pixels_are_centred():
    std = np.array([0.229, 0.224, 0.225])
    reference = IMAGES[:, ::2, ::2].repeat(2, 1).repeat(2, 2)[:, :32, :48]
    expected = (IMAGES[:, :32].astype(np.float64) - reference) / 255 / std * 2 / 3
    np.testing.assert_allclose(paper_front_end(0.5)(IMAGES[:, :32]), expected, atol=1e-5)
    pixels = (IMAGES / 255 - [0.485, 0.456, 0.406]) / std
    np.testing.assert_allclose(paper_front_end(0.5, "none")(IMAGES), pixels, atol=1e-5)
    for color in ("ycbcr", "lab", "differences"):
        assert abs(float(paper_front_end(0.5, "none", color=color)(IMAGES).mean())) < 0.6


def logits(model, images):
    return jax.jit(lambda x: predict(model, x).logits)(images)


@pytest.mark.slow
def test_a_learned_factor_is_a_parameter_that_predictions_follow():
    start = {"factors": (0.5,), "modes": ("bilinear",)}
    fixed = build_model(model_config(**start), nnx.Rngs(params=0))
    model = build_model(model_config(**start, learn_factors=(True,)), nnx.Rngs(params=0))
    assert not learned_factors(nnx.state(fixed, nnx.Param))
    assert learned_factors(nnx.state(model, nnx.Param)) == {"factor_0": 0.5}
    fixed.eval()
    model.eval()
    images = IMAGES[:, :32]
    before = logits(model, images)
    np.testing.assert_allclose(before, logits(fixed, images), atol=1e-5)
    model.learned_factors["factor_0"][...] = jnp.float32(0.25)
    quarter = build_model(model_config(modes=("bilinear",), factors=(0.25,)), nnx.Rngs(params=0))
    quarter.eval()
    after = logits(model, images)
    np.testing.assert_allclose(after, logits(quarter, images), atol=1e-5)
    assert np.abs(after - before).max() > 1e-5


@pytest.mark.slow
def test_training_moves_the_factor_and_every_point_of_the_curve_says_where_it_is(tmp_path):
    config = runs.tiny_config(
        runs.write_tiny_dataset(tmp_path / "data"),
        **{"model.backbone": "thin_resnet", "model.modes": ("bilinear",), "num_epochs": 2},
    )
    config.model.factors, config.model.learn_factors = (0.437,), (True,)
    config.optimizer.learning_rate = 0.01
    train(config, tmp_path / "run")
    points = runs.curve(tmp_path / "run", "train")
    values = [point["factor_0"] for point in points]
    assert len(set(values)) == len(values), "the factor moves"
    assert all(0.1 <= value <= 0.95 for value in values)
    validation = runs.curve(tmp_path / "run", "validation")
    assert validation[-1]["factor_0"] == pytest.approx(values[-1])
    detector = Detector.load(tmp_path / "run", checkpoint="last")
    [front_end] = detector.model.front_ends
    assert front_end.factor == pytest.approx(values[-1])
    # Scored with the operators of that value: as the model itself computes on the device.
    image = IMAGES[0]
    score = detector._scorer.score_all([image])[0][0]
    np.testing.assert_allclose(score, logits(detector.model, image[None])[0], rtol=1e-5, atol=1e-5)
