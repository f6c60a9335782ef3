"""Mean log-amplitude spectra against scipy, and what padding may not change."""

import numpy as np
import scipy.signal

from npr_jax.models import cross_attention


def test_mean_spectrum_is_scipys_short_time_transform_along_both_axes():
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 70, 85, 3)).astype(np.float32)
    maps = np.asarray(cross_attention.log_amplitudes(pixels))
    assert maps.shape == (2, 3, 4, 17 * 32)
    grey = pixels[1].astype(np.float64) @ [0.299, 0.587, 0.114]
    window = scipy.signal.get_window("hann", 32)
    expected = np.fft.fft2(grey[16:48, 32:64] * window[:, None] * window)[:, :17]
    found = maps[1, 1, 2].reshape(17, 32).T
    np.testing.assert_allclose(found, np.log1p(np.abs(expected)), rtol=0, atol=1e-3)


def test_positions_are_those_of_the_grid_down_to_the_smallest_image():
    for height, width in ((32, 32), (47, 48), (64, 100)):
        maps = cross_attention.log_amplitudes(np.zeros((1, height, width, 3), np.float32))
        grid = cross_attention.WINDOW_GRID
        assert maps.shape[1:3] == (grid.positions(height), grid.positions(width))
        np.testing.assert_array_equal(maps, 0)


def test_pixels_outside_a_window_do_not_reach_it():
    pixels = np.random.default_rng(1).uniform(0, 255, (1, 64, 64, 3)).astype(np.float32)
    changed = pixels.copy()
    changed[:, 48:] = 0
    before, after = cross_attention.log_amplitudes(pixels), cross_attention.log_amplitudes(changed)
    np.testing.assert_array_equal(before[:, :2], after[:, :2])
    assert np.abs(before[:, 2] - after[:, 2]).max() > 0.1


def test_rounding_to_eight_bits_alone_gives_an_amplitude_of_three_to_four():
    noise = np.random.default_rng(2).uniform(-0.5, 0.5, (1, 256, 256, 1)).repeat(3, axis=3)
    amplitudes = np.expm1(cross_attention.log_amplitudes(noise.astype(np.float32)))
    assert 3.0 < np.sqrt((amplitudes**2).mean()) < 4.0
