"""Heat maps that there is no time for are left out, whatever the detector's kind of map."""

import ml_collections
import numpy as np
import pytest
from flax import nnx

import npr_jax
from configs import multiscale
from npr_jax.inference.heat_map import heat_map
from npr_jax.models.systems.registry import build_model
from npr_jax.serving.evidence import EvidenceMaker, step_for
from npr_jax.serving.limits import Deadline
from tests import runs
from tests.models.parity import images


@pytest.fixture(scope="module")
def covering():
    """A detector without positions, whose map is made by covering places."""
    config = ml_collections.ConfigDict(multiscale.get_config("cross,0.5").model)
    config.backbone = "light_resnet"
    return npr_jax.Detector(build_model(config, nnx.Rngs(params=0)), source="test")


def test_a_map_by_covering_is_that_of_predict(covering):
    image = images(1, 48, 64)[0]
    made = EvidenceMaker(covering).make(image, Deadline(300), score_seconds=0)
    expected = heat_map(covering, image)
    assert made.heat_map.method == expected.method == "occlusion"
    np.testing.assert_array_equal(made.heat_map.values, expected.values)
    assert made.problem == ""


def test_maps_are_given_up_when_time_is_up(covering, detector):
    for one in (covering, detector):
        image = runs.picture(0, True)
        made = EvidenceMaker(one).make(image, Deadline(0), score_seconds=0)
        assert made.heat_map is None
        assert made.overlay is None
        assert "no time" in made.problem
        assert made.residuals[0][1].shape == image.shape


def test_a_map_that_would_take_too_long_is_not_begun(detector):
    made = EvidenceMaker(detector).make(runs.picture(0, True), Deadline(60), score_seconds=40)
    assert made.heat_map is None
    assert "no time" in made.problem


def test_large_pictures_are_shown_by_every_third_pixel(detector):
    image = np.tile(runs.picture(1, False, side=150), (8, 12, 1))[:1102]
    made = EvidenceMaker(detector).make(image, Deadline(300), score_seconds=0)
    assert made.step == step_for(1102, 1800) == 3
    np.testing.assert_array_equal(made.image, image[::3, ::3])
    pixels = image.astype(np.float64) / 255
    blocks = pixels[::2, ::2].repeat(2, 0).repeat(2, 1)[:1102]
    expected = np.rint(255 * np.clip(0.5 + 5 * (pixels - blocks), 0, 1))[::3, ::3]
    [(name, shown)] = made.residuals
    assert name == "0.5"
    assert np.abs(shown - expected).max() <= 1, "rounding of halves"
    assert made.overlay.shape == shown.shape
