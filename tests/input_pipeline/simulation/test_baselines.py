"""The cheap classifiers see what they should, and nothing in the control family."""

import numpy as np
import pytest

from input_pipeline.simulation import baselines, camera, dataset
from input_pipeline.storage import records


def _as_records(images, label):
    return [
        records.ImageRecord(i.tobytes(), "decoded", i.shape[0], i.shape[1], label, "x", str(n))
        for n, i in enumerate(images)
    ]


def _noise(seed, level, number=60):
    values = np.random.default_rng(seed).normal(128, level, (number, 32, 32, 3))
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def test_a_difference_in_noise_is_found():
    result = baselines.measure(_as_records(_noise(0, 8), 0), _as_records(_noise(1, 10), 1))
    assert result["noise_variance"] > 0.95
    assert result["power_spectrum"] > 0.95
    assert result["metadata"] == 0.5


def test_a_difference_in_colour_is_found():
    warm = _noise(1, 8) + np.array([12, 0, 0], np.uint8)
    result = baselines.measure(_as_records(_noise(0, 8), 0), _as_records(warm, 1))
    assert result["colour_histogram"] > 0.95
    assert result["noise_variance"] < 0.7


def test_noise_variance_equals_the_variance_of_white_noise():
    values = np.exp(baselines.noise_variance(_noise(0, 8, 1)[0]))
    np.testing.assert_allclose(values, 64, rtol=0.25)


@pytest.mark.slow
def test_control_family_gives_nothing_away():
    """Without up-sampling, no cheap classifier tells a network's images from photographs."""
    photographs, generated = [], []
    take = 1 + dataset.FAMILIES.index("control")
    for start in range(0, 400, 50):
        indices = tuple(range(start, start + 50))
        clean, noise = camera.shoot(5, indices, 64, (0, take))
        photographs.extend(camera.quantise(camera.inner(clean) + noise[:, 0]))
        generated.extend(dataset.generate("control", clean, noise[:, 1], 5, indices))
    result = baselines.measure(_as_records(photographs, 0), _as_records(generated, 1))
    assert max(result.values()) <= 0.6, result
