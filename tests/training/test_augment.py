"""Changes of training images on the device against NumPy, SciPy, Pillow and counts by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image, ImageEnhance
from scipy import ndimage

from configs import default
from npr_jax.training import augment


def pixels(n, height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, height, width, 3), np.uint8)


@pytest.mark.parametrize("size", [(20, 20), (21, 16)])
@pytest.mark.parametrize("bilinear", [True, False])
def test_turning_equals_scipys_rotation_with_black_corners(size, bilinear):
    images = pixels(3, *size)
    angles = np.float32([33.0, -121.5, 178.0])
    turned = augment.turn(images, angles, bilinear=bilinear)
    for image, angle, ours in zip(images, angles, turned, strict=True):
        # scipy counts the other way round in (row, column) coordinates than seen on the screen.
        expected = ndimage.rotate(
            image.astype(np.float64),
            angle,
            axes=(1, 0),
            reshape=False,
            order=int(bilinear),
            mode="grid-constant",
        )
        differs = np.abs(ours - expected).max(axis=-1) > 0.02
        # Nearest: a pixel that lies half way between two may fall to either.
        assert differs.mean() <= (0 if bilinear else 0.02)


def test_a_quarter_turns_counter_clockwise_as_pillow():
    image = pixels(1, 16, 16)[0]
    expected = np.asarray(Image.fromarray(image).rotate(90))
    for bilinear in (True, False):
        ours = augment.turn(image[None], jnp.float32([90.0]), bilinear=bilinear)[0]
        np.testing.assert_allclose(ours, expected, atol=0.01)


def test_angles_are_drawn_from_both_sides():
    """A dot on the right of the centre ends where its angle says; all angles are within 30."""
    images = np.zeros((64, 41, 41, 1), np.float32)
    images[:, 20, 38] = 255.0
    turned = np.asarray(augment.rotate(jax.random.key(0), images, 30.0, bilinear=True))[..., 0]
    rows, columns = np.mgrid[:41, :41]
    total = turned.sum((1, 2))
    y, x = ((turned * place).sum((1, 2)) / total - 20 for place in (rows, columns))
    angles = np.rad2deg(np.arctan2(-y, x))
    assert np.abs(angles).max() < 31
    assert angles.max() > 20
    assert angles.min() < -20
    assert len(np.unique(angles.round(2))) == 64, "each image its own"


def test_color_changes_equal_pillows_up_to_its_rounding():
    images = pixels(4, 12, 9)
    factors = np.float32([[0.6, 1.4, 1.0, 1.2], [1.5, 0.5, 0.8, 1.0], [0.5, 1.3, 1.5, 0.0]])
    changed = augment.change_colors(images, *factors)
    for image, own, ours in zip(images, factors.T, changed, strict=True):
        picture = Image.fromarray(image)
        enhancers = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
        for enhance, factor in zip(enhancers, own, strict=True):
            picture = enhance(picture).enhance(float(factor))
        # Pillow cuts to whole grey levels three times; the next factor enlarges what was cut.
        np.testing.assert_allclose(ours, np.asarray(picture), atol=4)
        assert np.abs(ours - np.asarray(picture)).mean() < 1.5


def test_color_changes_by_hand():
    image = np.float32([[[[100, 200, 50], [20, 40, 240]]]])
    one = np.ones(1, np.float32)
    bright = augment.change_colors(image, 1.5 * one, one, one)
    np.testing.assert_allclose(bright, [[[[150, 255, 75], [30, 60, 255]]]], rtol=1e-6)
    grey = image @ np.float32([0.2989, 0.587, 0.114])
    unsaturated = augment.change_colors(image, one, one, 0 * one)
    np.testing.assert_allclose(unsaturated, np.repeat(grey[..., None], 3, -1), rtol=1e-5)
    flat = augment.change_colors(image, one, 0 * one, one)
    np.testing.assert_allclose(flat, np.full((1, 1, 2, 3), grey.mean()), rtol=1e-5)


def test_jitter_draws_three_factors_for_each_image():
    """Of a black and white image: its white gives brightness, then the mean's contrast."""
    images = np.zeros((500, 2, 2, 3), np.float32)
    images[:, 0] = 100.0
    changed = np.asarray(augment.jitter_colors(jax.random.key(1), images, 0.5))
    np.testing.assert_array_equal(changed[..., 0], changed[..., 1])
    light, dark = changed[:, 0, 0, 0], changed[:, 1, 0, 0]
    brightness = (light + dark) / 100  # the mean of both, which contrast keeps
    inside = dark > 0
    contrast = (light - dark)[inside] / (brightness[inside] * 100)
    assert 0.5 <= contrast.min() < 0.55
    assert contrast.max() < 1.01, "above 1 the dark half is clipped"
    assert 0.5 <= brightness[inside].min() < 0.55
    assert 1.45 < brightness[inside].max() <= 1.5 + 1e-4


@pytest.mark.parametrize(("size", "grid"), [((64, 48), (4, 3)), ((50, 33), (4, 3))])
def test_masked_squares_are_black_and_whole(size, grid):
    images = 1 + pixels(400, *size) // 2
    masked = np.asarray(
        augment.mask_patches(jax.random.key(0), images, 0.5, patch=16, ratio=(0.0, 0.75))
    )
    assert masked.dtype == np.uint8
    black = (masked == 0).all(-1)
    np.testing.assert_array_equal(masked[~black], images[~black])
    rows, columns = grid
    counts = []
    for image in black:
        squares = [
            image[16 * r : 16 * r + 16, 16 * c : 16 * c + 16]
            for r in range(rows)
            for c in range(columns)
        ]
        assert all(square.all() or not square.any() for square in squares)
        counts.append(sum(bool(square.all()) for square in squares))
    # Of 12 squares floor(12 u), u uniform up to 0.75: 0 to 8, each one time in nine.
    counts = np.array(counts)
    assert counts.max() == 8
    untouched = 0.5 + 0.5 / 9
    spread = 4 * np.sqrt(untouched * (1 - untouched) / 400)
    assert abs((counts == 0).mean() - untouched) < spread
    by_place = black[:, 8::16, 8::16].mean(0)
    assert by_place.std() < 0.05, "no place is preferred"


def settings(**changes):
    data = default.get_data()
    data.crop = 32
    for name, value in changes.items():
        data.augment[name] = value
    return data


EVERYTHING = {"rotation": 90.0, "color_jitter": 0.5, "mask_probability": 0.5, "mask_patch": 8}


def test_by_default_pixels_are_moved_and_not_changed():
    """The published recipe: uint8 crops, as ``crop_and_flip`` alone makes them."""
    images = pixels(4, 40, 40)
    key = jax.random.key(3)
    made = augment.augment(key, images, settings())
    assert made.dtype == jnp.uint8
    np.testing.assert_array_equal(made, augment.crop_and_flip(key, images, 32, flip=True))


def test_a_key_decides_everything_and_rows_differ():
    images = np.repeat(pixels(1, 32, 32), 6, axis=0)
    data = settings(**EVERYTHING)
    apply = jax.jit(lambda key: augment.augment(key, images, data))
    first, again, other = (np.asarray(apply(jax.random.key(seed))) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 10
    assert first.dtype == np.float32
    assert first.min() >= 0
    assert first.max() <= 255
    assert min(np.abs(first[i] - first[j]).max() for i in range(6) for j in range(i)) > 10


def test_changes_do_not_share_their_draws():
    """Where images land in the crop says nothing about their angle."""
    streams = [getattr(augment, n) for n in ("TOP", "LEFT", "FLIP", "ROTATION", "JITTER", "MASK")]
    key = jax.random.key(0)
    drawn = [jax.random.key_data(jax.random.fold_in(key, stream)) for stream in streams]
    assert len({tuple(map(int, k)) for k in drawn}) == 6
    # Version 1 drew the first three by splitting: the same numbers, so its runs can be repeated.
    split = [jax.random.key_data(k) for k in jax.random.split(key, 3)]
    np.testing.assert_array_equal(drawn[:3], split)
