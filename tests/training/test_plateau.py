"""Runs whose rate follows validation accuracy: what is saved, resumed and when they end."""

import numpy as np
import pytest

from npr_jax.sweep.vectorized import train_vectorized
from npr_jax.training.train import train
from tests import runs

# Accuracy cannot rise by 0.9 after the first epoch: the rate falls at the end of each later one.
STALLING = {
    "model__backbone": "thin_resnet",
    "optimizer__schedule": "plateau",
    "optimizer__decay_rate": 0.1,
    "optimizer__plateau_epochs": 1,
    "optimizer__plateau_improvement": 0.9,
    "optimizer__learning_rate": 1e-4,
    "log_every_steps": 10,
}


def rate_saved(workdir):
    last = runs.checkpoint_steps(workdir)[-1]
    return last, float(runs.saved_arrays(workdir, last)["learning_rate"])


@pytest.mark.slow
def test_a_plateau_run_resumes_bit_identical_and_ends_at_its_lowest_rate(tiny_data, tmp_path):
    """1e-4 after one epoch, 1e-5, 1e-6, then below 1e-6: epoch 5 is never begun."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(runs.tiny_config(tiny_data, **STALLING, num_epochs=9), whole)
    assert len(runs.curve(whole, "validation")) == 4
    train(runs.tiny_config(tiny_data, **STALLING, num_epochs=1), parts)
    assert rate_saved(parts) == (3, pytest.approx(1e-4))
    train(runs.tiny_config(tiny_data, **STALLING, num_epochs=2), parts)
    assert rate_saved(parts) == (6, pytest.approx(1e-5))
    train(runs.tiny_config(tiny_data, **STALLING, num_epochs=9), parts)
    last, rate = rate_saved(parts)
    assert (last, rate) == (12, pytest.approx(1e-7))
    expected, arrays = runs.saved_arrays(whole, last), runs.saved_arrays(parts, last)
    assert arrays.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_array_equal(arrays[key], value, key)
    # Nothing is left to train.
    train(runs.tiny_config(tiny_data, **STALLING, num_epochs=9), parts)
    assert rate_saved(parts)[0] == 12


def test_plateau_runs_do_not_go_side_by_side(tiny_data, tmp_path):
    configs = [runs.tiny_config(tiny_data, **STALLING, seed=seed) for seed in (0, 1)]
    with pytest.raises(ValueError, match=r"optimizer\.schedule is 'plateau'"):
        train_vectorized(configs, [tmp_path / "a", tmp_path / "b"])


@pytest.mark.slow
def test_a_cosine_run_is_not_resumed_with_another_end(tiny_data, tmp_path):
    settings = {"model__backbone": "thin_resnet", "optimizer__schedule": "cosine"}
    train(runs.tiny_config(tiny_data, **settings, num_epochs=1), tmp_path)
    with pytest.raises(ValueError, match=r"settings.num_epochs: was 1, now 2"):
        train(runs.tiny_config(tiny_data, **settings, num_epochs=2), tmp_path)
