"""Random deliveries: what they draw, what they do to a picture, and that a couple shares them."""

import dataclasses

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage, stats

from configs import default
from input_pipeline.errors import UserError
from input_pipeline.images.random_delivery import RandomDelivery
from input_pipeline.images.transforms import jpeg, webp

NEVER = RandomDelivery(
    thumbnail_probability=0,
    scale_probability=0,
    blur_probability=0,
    noise_probability=0,
    jpeg_probability=0,
    webp_probability=0,
    second_jpeg_probability=0,
    lossless_jpeg_probability=0,
    on_grid_probability=1,
)


def picture(height=320, width=400, seed=0):
    noise = np.random.default_rng(seed).uniform(0, 255, (height, width, 3))
    return ndimage.gaussian_filter(noise, (2, 2, 0)).astype(np.uint8)


def first_draw(number=0, **settings):
    return dataclasses.replace(NEVER, **settings).draw(np.random.default_rng(number))


def crop(delivery, image, size=96, *, lossless=False):
    return delivery.crop(image, size, lossless=lossless, small="reflect")


def places_of(part, image):
    """Where in the image the part is, by comparing it with every window's first row."""
    windows = np.lib.stride_tricks.sliding_window_view(image[..., 0], (1, part.shape[1]))
    rows, columns = np.nonzero((windows[:, :, 0] == part[0, :, 0]).all(-1))
    return [
        (int(y), int(x))
        for y, x in zip(rows, columns, strict=True)
        if np.array_equal(image[y : y + len(part), x : x + part.shape[1]], part)
    ]


def test_without_any_change_a_crop_is_a_part_of_the_picture_on_the_jpeg_grid():
    image = picture()
    found = [places_of(crop(first_draw(n), image), image) for n in range(30)]
    assert all(len(places) == 1 for places in found)
    corners = np.array(found)[:, 0]
    assert (corners % 8 == 0).all()
    # From everywhere: the lowest and highest of 320 - 96 and 400 - 96 pixels nearly.
    assert (corners.min(0) <= 40).all()
    assert (corners.max(0) >= [184, 264]).all()
    free = [places_of(crop(first_draw(n, on_grid_probability=0), image), image) for n in range(30)]
    assert len({y % 8 for [(y, _)] in free}) == 8


def test_saving_is_that_of_the_whole_picture_where_the_crop_lies_inside():
    image = picture()
    for number in range(6):
        plain = first_draw(number)
        [(top, left)] = places_of(crop(plain, image), image)
        saved = dataclasses.replace(plain, saved=(("jpeg", 60),))
        inside = slice(8, 88)  # what the margin of the saved part cannot reach
        whole = jpeg(image, 60)[top : top + 96, left : left + 96]
        # The grid of colour at 4:2:0 is one of 16 pixels, the crop may begin between.
        difference = np.abs(crop(saved, image).astype(int) - whole)[inside, inside]
        assert difference.mean() < 6
        assert np.array_equal(crop(saved, image), crop(saved, image))
        assert not np.array_equal(crop(saved, image), crop(plain, image))


def test_a_thumbnail_is_the_picture_resized():
    image = picture(512, 640)
    delivery = dataclasses.replace(
        first_draw(), thumbnail=0.0, kernel=Image.Resampling.BICUBIC, place=(0, 0), offset=(0, 0)
    )
    small = Image.fromarray(image).resize((256, 205), Image.Resampling.BICUBIC)
    expected = np.asarray(small)[:96, :96].astype(int)
    assert np.abs(crop(delivery, image) - expected).max() <= 2  # a window's rounded borders


def test_a_picture_is_never_made_smaller_than_the_crop():
    image = picture(100, 300)
    delivery = dataclasses.replace(first_draw(), thumbnail=0.0, thumbnail_edge=32)
    assert crop(delivery, image).shape == (96, 96, 3)
    assert crop(first_draw(), picture(40, 50)).shape == (96, 96, 3)


def test_only_lossless_files_are_saved_first():
    delivery = first_draw(
        lossless_jpeg_probability=1, lossless_jpeg_quality=(80, 80), on_grid_probability=1
    )
    image = picture(128, 128)
    assert places_of(crop(delivery, image, 96), image)
    whole = dataclasses.replace(delivery, place=(0, 0), offset=(0, 0))
    assert np.array_equal(crop(whole, image, 128, lossless=True), jpeg(image, 80))


def test_webp_and_two_savings_follow_each_other():
    image = picture(64, 64)
    delivery = dataclasses.replace(first_draw(), saved=(("webp", 70), ("jpeg", 50)))
    assert np.array_equal(crop(delivery, image, 64), jpeg(webp(image, 70), 50))


def test_shares_are_as_the_settings_say():
    settings = RandomDelivery()
    draws = [settings.draw(np.random.default_rng([7, n])) for n in range(4000)]

    def is_share(count, probability):
        return stats.binomtest(count, len(draws), probability).pvalue > 1e-4

    assert is_share(sum(d.thumbnail is not None for d in draws), 0.45)
    assert is_share(sum(d.scale != 1 for d in draws), 0.55 * 0.2)
    assert is_share(sum(d.saved[:1] != () and d.saved[0][0] == "webp" for d in draws), 0.06)
    assert is_share(sum(d.lossless_quality > 0 for d in draws), 0.75)
    assert is_share(sum(d.on_grid for d in draws), 0.7)
    assert is_share(sum(d.blur > 0 for d in draws), 0.04)
    qualities = [q for d in draws for kind, q in d.saved if kind == "jpeg"]
    assert (min(qualities), max(qualities)) == (30, 95)


def test_the_recipe_s_defaults_are_the_class_s():
    assert RandomDelivery.from_settings(default.get_config().data.random_delivery) is None
    section = default.get_config().data.random_delivery.to_dict() | {"on": True}
    assert RandomDelivery.from_settings(section) == RandomDelivery()


def test_settings_out_of_range_are_refused():
    with pytest.raises(UserError, match="jpeg_probability is 2"):
        RandomDelivery(jpeg_probability=2)
    with pytest.raises(UserError, match=r"scale is \(2, 1\)"):
        RandomDelivery(scale=(2, 1))
