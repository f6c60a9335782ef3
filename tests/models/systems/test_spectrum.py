"""The frequency baseline against NumPy, ring by ring, and its scores of padded and tiled images."""

import ml_collections
import numpy as np
import pytest
from flax import nnx

from configs import spectrum
from npr_jax.config import check_config
from npr_jax.inference.scorer import Scorer
from npr_jax.models.base import count_parameters, predict
from npr_jax.models.systems.registry import build_model
from npr_jax.models.systems.spectrum import log_power
from tests.models.parity import images


def expected_rings(grey, window):
    """Float64, one window and one frequency at a time."""
    hann = np.sin(np.pi * np.arange(window) / window) ** 2
    taper = np.outer(hann, hann)
    taper /= np.sqrt((taper**2).sum())
    rows, columns = grey.shape[0] // window, grey.shape[1] // window
    result = np.zeros((rows, columns, window // 2 + 1))
    for i in range(rows):
        for j in range(columns):
            part = grey[i * window : (i + 1) * window, j * window : (j + 1) * window]
            power = np.abs(np.fft.fft2(part * taper)) ** 2
            rings = [[] for _ in range(window // 2 + 1)]
            for u in range(window):
                for v in range(window):
                    radius = np.hypot(min(u, window - u), min(v, window - v))
                    if round(radius) <= window // 2:
                        rings[round(radius)].append(power[u, v])
            result[i, j] = np.log([np.mean(ring) for ring in rings])
    return result


@pytest.mark.parametrize(("window", "size"), [(32, (64, 70)), (16, (33, 48))])
def test_rings_equal_numpys(window, size):
    grey = np.random.default_rng(0).random((2, *size))
    ours = log_power(grey.astype(np.float32), window)
    for row in range(2):
        np.testing.assert_allclose(ours[row], expected_rings(grey[row], window), atol=2e-4)


def test_a_wave_lights_its_ring_alone():
    columns = np.arange(64)
    wave = 0.5 + 0.4 * np.cos(2 * np.pi * 8 * columns / 32)
    grey = np.tile(wave, (64, 1))[None].astype(np.float32)
    rings = np.asarray(log_power(grey, 32))[0, 0, 0]
    # Rings 0 and 1 hold the mean brightness.
    assert rings[2:].argmax() + 2 == 8
    # A periodic Hann window leaks into the next frequency, and no further.
    assert np.exp(rings[11:]).max() < 1e-5 * np.exp(rings[8])


def model(**changes):
    config = ml_collections.ConfigDict(spectrum.get_config().model)
    config.update(changes)
    model = build_model(config, nnx.Rngs(params=0))
    model.standardise.mean.set_value(model.standardise.mean.get_value() - 5)
    model.eval()
    return model


def test_trains_a_linear_layer_alone():
    assert count_parameters(model()) == 17 + 1


@pytest.mark.parametrize("shapes", [((128, 128),), ((96, 96),)], ids=["padded", "tiled"])
def test_padded_and_tiled_images_score_as_alone(shapes):
    ours = model(window=16)
    odd = [images(1, *size, seed=n)[0] for n, size in enumerate([(100, 127), (64, 99)])]
    alone = [float(predict(ours, image[None]).logits[0]) for image in odd]
    np.testing.assert_allclose(Scorer(ours, shapes).score_all(odd)[0], alone, atol=1e-4)


def test_other_windows_are_refused():
    config = spectrum.get_config()
    config.model.window = 24
    with pytest.raises(ValueError, match="8, 16 or 32"):
        check_config(config)
