"""Nuisances of pictures that were made to have them."""

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from input_pipeline.images.invisible_mark import write_mark
from input_pipeline.images.nuisances import find_grid, measure_nuisances
from input_pipeline.images.transforms import jpeg


def photograph(seed, height=400, width=600):
    """Soft light and colours with the noise of a sensor."""
    rng = np.random.default_rng(seed)
    light = ndimage.gaussian_filter(rng.normal(0, 200, (height, width, 1)), (3, 3, 0))
    colour = ndimage.gaussian_filter(rng.normal(0, 250, (height, width, 3)), (6, 6, 0))
    image = 110 + 2 * light + colour + rng.normal(0, 3, colour.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("top", "left"), [(0, 0), (3, 5), (7, 1)])
@pytest.mark.parametrize("size", [(400, 600), (701, 903)])
def test_the_grid_of_jpeg_is_found_where_it_lies(top, left, size):
    """Also in the middle of an image that is larger than the part that is looked at."""
    clean = measure_nuisances(photograph(1, *size))
    rows, columns, row, column = measure_nuisances(jpeg(photograph(1, *size), 70)[top:, left:]).grid
    assert (row, column) == (-top % 8, -left % 8)
    assert min(rows, columns) > 3 * max(clean.grid[:2])


def test_the_grid_of_flat_and_of_small_images():
    assert find_grid(np.full((40, 40), 7.0)) == (0.0, 0)
    tiny = measure_nuisances(photograph(0, 20, 31))
    assert tiny.grid == tiny.resampling == (0, 0, 0, 0)
    assert tiny.sharpness == (0,)
    assert tiny.brightness[0] > 0
    assert measure_nuisances(np.zeros((1, 1, 3), np.uint8)).saturation == (0,)


@pytest.mark.parametrize("factor", [1.3, 1.5])
def test_enlarged_images_have_the_period_of_their_factor(factor):
    image = photograph(2, 300, 300)
    side = round(300 * factor)
    large = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC))
    strength, frequency, *_ = measure_nuisances(large).resampling
    assert frequency == pytest.approx(1 - 1 / factor, abs=0.005)
    assert strength > measure_nuisances(image).resampling[0] + 0.5


def test_twice_as_large_by_nearest_stands_out_at_a_half():
    image = photograph(3, 200, 200)
    twice = image.repeat(2, 0).repeat(2, 1)
    assert measure_nuisances(twice).resampling[2] > measure_nuisances(image).resampling[2] + 1


def test_brightness_saturation_and_sharpness():
    image = photograph(4)
    grey = np.asarray(Image.fromarray(image).convert("L"))
    found = measure_nuisances(image)
    hsv = np.asarray(Image.fromarray(image[:, 44:556]).convert("HSV"))
    assert found.brightness[0] == pytest.approx(grey[:, 44:556].mean() / 255, abs=0.003)
    assert found.saturation[0] == pytest.approx(hsv[..., 1].mean() / 255, abs=0.005)
    blurred = ndimage.gaussian_filter(image, (1, 1, 0))
    assert measure_nuisances(blurred).sharpness < found.sharpness
    assert measure_nuisances(np.repeat(grey[..., None], 3, 2)).saturation == (0,)


def test_the_mark_is_one_of_them():
    image = photograph(5)
    assert measure_nuisances(image).invisible_mark[0] < 0.65
    assert measure_nuisances(write_mark(image)).invisible_mark[0] > 0.9
