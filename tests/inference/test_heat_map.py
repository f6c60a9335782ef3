"""Heat maps: occlusion against a loop, positions against their definition, and where they point."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from sklearn.metrics import roc_auc_score

from npr_jax.inference.detector import Detector
from npr_jax.inference.heat_map import HeatMap, heat_map, occlusion, occlusion_step
from npr_jax.models.base import Grid, Prediction
from npr_jax.residuals.front_end import rgb_front_end
from tests.models.parity import images


class Roughness(nnx.Module):
    """A detector of rough places: how much pixels differ from their left neighbour, on average."""

    whole = False
    scales = ()

    def __init__(self):
        self.front_ends = (rgb_front_end((0, 0, 0), (1, 1, 1)),)
        self.grids = (Grid(stride=1, reach=1),)
        self.weight = nnx.Param(np.float32(10.0))

    def feature_maps(self, views, mask, examples):
        del mask, examples
        x = views[0][..., :1]
        return [jnp.abs(jnp.diff(x, axis=2, prepend=x[:, :, :1]))]

    def head(self, features):
        return Prediction(self.weight[...] * features[0][:, 0], None)


class RoughPositions(Roughness):
    """The same, saying where."""

    def position_logits(self, maps, prediction):
        del prediction
        return self.weight[...] * maps[0][..., 0]


def grey_with_a_rough(place):
    mask = np.zeros((80, 72), bool)
    mask[place] = True
    rough = np.random.default_rng(0).integers(0, 256, (80, 72, 1))
    return np.where(mask[..., None], rough, 128).astype(np.uint8).repeat(3, 2), mask


PLACE = (slice(24, 48), slice(40, 64))


def brute_force(detector, image, step):
    """One forward pass per covered place, each in a call of its own."""
    height, width = image.shape[:2]
    around = step // 2
    [whole] = detector.logits(image[None])
    rows = []
    for top in range(0, height, step):
        row = []
        for left in range(0, width, step):
            covered = image.copy()
            low, high = max(0, top - around), min(height, top + step + around)
            first, last = max(0, left - around), min(width, left + step + around)
            patch = image[low:high, first:last].reshape(-1, 3).astype(np.float64)
            covered[low:high, first:last] = np.rint(patch.sum(0) / len(patch))
            [logit] = detector.logits(covered[None])
            row.append(whole - logit)
        rows.append(row)
    return np.array(rows)


@pytest.mark.parametrize("shape", [(64, 64), (41, 70)])
def test_occlusion_is_a_loop_over_covered_places(shape):
    detector = Detector(Roughness(), source="test")
    image = images(1, *shape)[0]
    expected = brute_force(detector, image, 16)
    found = occlusion(detector.logits, image, 16)
    assert found.shape == expected.shape == (-(-shape[0] // 16), -(-shape[1] // 16))
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("model", "method", "least"),
    [
        (RoughPositions, "positions", 0.99),
        (RoughPositions, "occlusion", 0.97),
        (Roughness, "auto", 0.97),
    ],
)
def test_map_points_at_what_the_detector_sees(model, method, least):
    image, mask = grey_with_a_rough(PLACE)
    found = heat_map(Detector(model(), source="test"), image, method)
    pixels = found.to_pixels(*mask.shape)
    assert roc_auc_score(mask.ravel(), pixels.ravel()) > least
    assert mask[np.unravel_index(pixels.argmax(), pixels.shape)]
    assert found.method == ("occlusion" if method == "auto" else method)


def test_positions_add_up_to_the_logit():
    image, _ = grey_with_a_rough(PLACE)
    detector = Detector(RoughPositions(), source="test")
    [logit] = detector.logits(image[None])
    assert heat_map(detector, image).values.mean() == pytest.approx(logit, abs=1e-4)


def test_pixels_between_positions_are_interpolated():
    found = HeatMap(np.array([[0.0, 8.0], [0.0, 8.0]], np.float32), 8, 3.5, "occlusion")
    line = found.to_pixels(16, 16)[5]
    np.testing.assert_allclose(line, np.clip(np.arange(16) - 3.5, 0, 8), atol=1e-6)


def test_large_images_are_covered_in_coarser_steps():
    assert occlusion_step(64, 64) == 8
    for height, width in ((300, 4000), (3000, 4000), (129, 257)):
        step = occlusion_step(height, width)
        assert step % 8 == 0
        assert -(-height // step) * -(-width // step) <= 256
        finer = step - 8
        assert finer == 0 or -(-height // finer) * -(-width // finer) > 256


def test_positions_of_a_system_without_are_refused():
    image, _ = grey_with_a_rough(PLACE)
    with pytest.raises(ValueError, match="no map of positions"):
        heat_map(Detector(Roughness(), source="test"), image, "positions")
    with pytest.raises(ValueError, match="auto, positions, occlusion"):
        heat_map(Detector(Roughness(), source="test"), image, "gradient")
