"""Scenes, camera and statistics matching."""

import dataclasses

import numpy as np
import pytest
from scipy import ndimage, stats

from input_pipeline.simulation import camera, matching, scenes


def test_scene_is_a_function_of_seed_and_index():
    first = scenes.render_scene(3, 5, 96)
    np.testing.assert_array_equal(first, scenes.render_scene(3, 5, 96))
    assert first.shape == (96, 96, 3)
    assert first.dtype == np.float32
    assert first.min() >= 0
    assert first.max() <= 1.5
    assert not np.array_equal(first, scenes.render_scene(3, 6, 96))
    assert not np.array_equal(first, scenes.render_scene(4, 5, 96))


def test_radii_follow_the_power_law():
    radii = scenes.power_law_radii(np.random.default_rng(0), 20_000, 2.0, 50.0)
    result = stats.kstest(radii, lambda r: (2.0**-2 - r**-2.0) / (2.0**-2 - 50.0**-2))
    assert result.pvalue > 0.01


def test_blur_equals_scipy():
    image = np.random.default_rng(0).uniform(size=(40, 30, 3)).astype(np.float32)
    expected = ndimage.gaussian_filter(image, (1.5, 1.5, 0), mode="reflect", truncate=4.5)
    np.testing.assert_allclose(scenes.blur(image, 1.5), expected, atol=2e-3)


def test_average_spectrum_falls_like_that_of_photographs():
    powers = []
    for index in range(12):
        grey = scenes.render_scene(1, index, 128).mean(axis=-1)
        window = np.hanning(128)[:, None] * np.hanning(128)
        powers.append(np.abs(np.fft.rfft2((grey - grey.mean()) * window)) ** 2)
    radius = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.rfftfreq(128))
    inside = (radius > 0.03) & (radius < 0.25)
    slope = np.polyfit(np.log(radius[inside]), np.log(np.mean(powers, axis=0)[inside]), 1)[0]
    assert -3.5 < slope < -1.5


@pytest.mark.parametrize("corrected", [False, True])
def test_demosaicing_keeps_a_flat_grey(corrected):
    settings = dataclasses.replace(
        camera.draw_camera(0, 0),
        gradient_corrected=corrected,
        white_balance=(1.0, 1.0),
        sharpening=0.0,
        contrast=0.0,
    )
    picture = camera.develop(settings, np.full((1, 8, 8), 0.25, np.float32))
    expected = 255 * (1.055 * 0.25 ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(picture, expected, rtol=1e-5)


def test_bayer_sites_see_their_own_colour():
    settings = dataclasses.replace(
        camera.draw_camera(0, 0), phase=(0, 1), white_balance=(2.0, 1.0), lens_blur=0.3
    )
    raw = camera.expose(settings, np.full((16, 16, 3), [0.8, 0.5, 0.2], np.float32))
    np.testing.assert_allclose(raw[0::2, 1::2], 0.4, atol=1e-5)
    np.testing.assert_allclose(raw[1::2, 0::2], 0.2, atol=1e-5)
    np.testing.assert_allclose(raw[0::2, 0::2], 0.5, atol=1e-5)


def test_takes_differ_in_noise_only():
    settings = camera.draw_camera(0, 1)
    raw = np.full((32, 32), 0.3, np.float32)
    clean, noise = camera.picture_noise(settings, raw, 0, 1, (0, 1))
    alone, second = camera.picture_noise(settings, raw, 0, 1, (1,))
    np.testing.assert_array_equal(clean, alone)
    np.testing.assert_array_equal(noise[1], second[0])
    correlation = np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]
    assert abs(correlation) < 0.1
    assert noise.std() > settings.grain


def test_matching_gives_the_histogram_and_about_the_spectrum_of_the_reference():
    rng = np.random.default_rng(0)
    reference = ndimage.gaussian_filter(rng.normal(120, 90, (1, 48, 48, 3)), (0, 1, 1, 0))
    reference = reference.astype(np.float32)
    blurred = ndimage.gaussian_filter(0.6 * reference + 10, (0, 1, 1, 0))
    made = matching.match(blurred, reference)
    np.testing.assert_array_equal(
        np.sort(made.reshape(-1, 3), axis=0), np.sort(reference.reshape(-1, 3), axis=0)
    )

    def rough(image):
        return np.var(ndimage.laplace(image, axes=(1, 2)))

    assert abs(rough(made) / rough(reference) - 1) < 0.15
    assert rough(blurred) / rough(reference) < 0.1


def test_noise_is_lowered_where_the_decoder_left_some():
    rng = np.random.default_rng(0)
    flat = np.full((1, 64, 64, 3), 100, np.float32)
    rough = flat + rng.normal(0, 1, flat.shape).astype(np.float32)
    noise = rng.normal(0, 2, flat.shape).astype(np.float32)
    scaled = matching.match_noise(rough, flat, noise)
    assert scaled.std() == pytest.approx(np.sqrt(2**2 - 1), rel=0.1)


def test_photographs_become_scenes_of_linear_light():
    grey = np.full((100, 120, 3), 188, np.uint8)
    scene = camera.crop_of_photograph(grey, 80, np.random.default_rng(0))
    assert scene.shape == (80, 80, 3)
    np.testing.assert_allclose(scene, ((188 / 255 + 0.055) / 1.055) ** 2.4, rtol=1e-5)
