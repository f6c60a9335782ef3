"""Which pictures the page of the detector shows, and what it says of them."""

import numpy as np

from docs.research import detector_pictures
from docs.research.detector_pictures import DELIVERIES, chosen, contrast_of, format_block
from docs.research.detector_pictures_figure import CELL, draw, smooth
from npr_jax.detectors.calibration import Calibration
from npr_jax.inference.heat_map import HeatMap

CALIBRATION = Calibration(1.0, 0.0, 0.05, generated_from=1.0, photograph_to=-1.0)


def test_the_typical_ones_are_chosen():
    logits = np.array([[3, 2], [5, 1], [4, 1.5], [2, 0.5], [-1, 0], [-3, -2], [0.5, 0.9]])
    assert chosen(logits, CALIBRATION) == (2, 4)
    assert chosen(logits[4:], CALIBRATION) == (2, 0), "nothing is found: what comes closest"
    assert chosen(logits[:3], CALIBRATION) == (2, 0), "nothing is missed"


def row(**values):
    facts = {"shown": "own", "role": "found", "name": "lake.jpg", "label": "1"}
    facts |= {"detector": "name 1", "generated_from": "1", "photograph_to": "-1"}
    maps = {"speaking_for_generated": "0.25", "flattest_third": "-1.5"}
    maps |= {"most_textured_third": "0.5"}
    return facts | maps | dict.fromkeys(DELIVERIES, "0") | values


def test_the_words_are_those_of_the_logits():
    text = format_block([row(clean="1.5", **{"jpeg 95": "1", "jpeg 40": "-2"})])
    assert (
        "| generated: lake.jpg | generated (logit 1.50) | 2 | 8 | 1 | 25 % | −1.50 | +0.50 |"
        in text
    )
    assert "name 1; 1 pictures" in text


def test_pictures_that_may_be_shown_are_at_hand():
    pictures = detector_pictures.photographs()
    assert len(pictures) == 3
    assert all(pixels.ndim == 3 and pixels.dtype == np.uint8 for pixels in pictures.values())


def test_contrast_is_that_of_the_neighbourhood():
    pixels = np.full((40, 40, 3), 100, np.uint8)
    pixels[:, 20:] = 100 + 20 * (np.indices((40, 20)).sum(0) % 2)[..., None]
    contrast = contrast_of(pixels)
    assert contrast[:, :14].max() == 0
    np.testing.assert_allclose(contrast[5:-5, 26:34], 10, atol=0.2)


def test_of_a_picture_that_may_not_be_shown_no_pixel_is_drawn():
    """Two pictures with the same map and the same logits give the same figure."""
    rng = np.random.default_rng(0)
    found = HeatMap(rng.normal(size=(32, 48)).astype(np.float32), 4, 1.5, "positions")
    coarse = smooth(found, CELL)
    np.testing.assert_allclose(coarse.values[1, 2], found.values[8:16, 16:24].mean(), rtol=1e-5)
    assert coarse.values.shape == (4, 6), "cells of 32 pixels a side"
    assert coarse.first + coarse.stride == 1.5 + 4 * (8 + 15) / 2

    def drawn(pixels, with_pixels):
        logits = {delivery: float(place) for place, delivery in enumerate(DELIVERIES)}
        picture = detector_pictures.Picture("lake", 1, pixels, logits)
        return draw({"found": picture}, {"found": found}, CALIBRATION, "name 1", with_pixels)

    pictures = [rng.integers(0, 256, (128, 192, 3), np.uint8) for _ in range(2)]
    assert drawn(pictures[0], False) == drawn(pictures[1], False)
    assert drawn(pictures[0], True) != drawn(pictures[1], True)
    assert drawn(pictures[0], True)[:4] == b"\x89PNG"
