"""The shift of logits, in standard deviations of those before."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from input_pipeline.images.invisible_mark import read_mark
from npr_jax.evaluation.logit_shift import invisible_mark_shift, logit_shift
from npr_jax.inference.detector import Detector


def test_a_shift_has_the_units_of_the_spread():
    before = np.array([-1.0, 0.0, 1.0, 4.0], np.float32)
    shift = logit_shift(before, before + np.float32(0.5))
    assert shift.mean == pytest.approx(0.5 / np.std([-1, 0, 1, 4], ddof=1))
    assert shift.root_mean_square == pytest.approx(shift.mean)
    scaled = logit_shift(7 * before, 7 * before + 3.5)
    assert scaled == pytest.approx(shift, rel=1e-6)


def test_shifts_of_either_sign_cancel_in_the_mean_alone():
    before = np.array([-1.0, 1.0, -1.0, 1.0])
    shift = logit_shift(before, before + np.array([1, -1, -1, 1]))
    assert shift.mean == 0
    assert shift.root_mean_square == pytest.approx(1 / np.std(before, ddof=1))


def test_images_without_a_score_are_left_out():
    before, after = np.array([0.0, 2.0, 5.0]), np.array([1.0, 3.0, np.nan])
    assert logit_shift(before, after).mean == pytest.approx(1 / np.sqrt(2))
    assert logit_shift(before[:1], after[:1]) is None
    assert logit_shift(np.ones(3), np.zeros(3)) is None


class Reading:
    """A detector by the brightness of images, which also looks for the mark as far as it cares."""

    def __init__(self, care):
        self.care = care

    def see(self, images):
        return iter(images)

    def logits(self, images):
        care = [self.care * read_mark(image).is_carried for image in images]
        return np.array([image.mean() for image in images]) + care


@pytest.mark.parametrize("care", [0.0, 15.0])
def test_a_detector_that_cares_for_the_mark_is_shifted_by_it(care):
    rng = np.random.default_rng(0)
    noise = (rng.normal(100 + 5 * i, 60, (260, 260, 3)) for i in range(6))
    photographs = [
        ndimage.gaussian_filter(x, (2, 2, 0)).clip(0, 255).astype(np.uint8) for x in noise
    ]
    spread = np.std([image.mean() for image in photographs], ddof=1)
    shift = invisible_mark_shift(Reading(care), [*photographs, np.zeros((40, 40, 3), np.uint8)])
    assert shift.mean == pytest.approx(care / spread, abs=0.05)


@pytest.mark.slow
def test_the_mark_moves_the_shipped_detector_as_little_as_its_page_says(shared):
    """The mean is -0.03 and the root mean square 0.10; single photographs move by up to 0.56."""
    files = sorted((shared / "realworld" / "dev").glob("*/0_real/*"))
    photographs = [np.asarray(Image.open(path).convert("RGB")) for path in files]
    assert len(photographs) == 221
    shift = invisible_mark_shift(Detector.default(), photographs)
    assert abs(shift.mean) < 0.1, shift
    assert shift.root_mean_square < 0.2, shift
