"""Averaged weights: what the mean is, that it is what counts, and that it survives a resumption."""

import jax
import numpy as np
import pytest

from npr_jax.inference.detector import Detector
from npr_jax.training.step import make_train_step
from npr_jax.training.train import train
from npr_jax.training.train_state import init_train_state
from tests import runs


def leaves(tree):
    return [np.array(leaf) for leaf in jax.tree.leaves(tree)]


def test_the_mean_is_that_of_all_steps_and_forgets_the_start(tiny_data):
    """Against the mean written out: shares 0.1, 2/11, 3/12 and then 0.3 of the old one."""
    config = runs.tiny_config(tiny_data, data__crop=32, ema=0.3)
    model, optimizer, state = init_train_state(config, steps_per_epoch=10)
    step = make_train_step(config, model, optimizer)
    images = np.stack([runs.picture(i, bool(i % 2), side=32) for i in range(8)])
    batch = {"image": images, "label": np.arange(8, dtype=np.int32) % 2}
    batch["mask"] = np.ones(8, np.float32)
    expected = leaves([state.params, state.batch_stats])
    for kept in (0.1, 2 / 11, 3 / 12, 0.3, 0.3):
        state, _ = step(state, batch)
        now = leaves([state.params, state.batch_stats])
        expected = [kept * old + (1 - kept) * new for old, new in zip(expected, now, strict=True)]
    for mean, value in zip(
        leaves([state.average["params"], state.average["batch_stats"]]), expected, strict=True
    ):
        np.testing.assert_allclose(mean, value, rtol=1e-5, atol=1e-7)


@pytest.fixture(scope="module")
def averaged_run(tiny_data, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("averaged")
    train(runs.tiny_config(tiny_data, ema=0.9, num_epochs=2), workdir)
    return workdir


def test_the_saved_model_is_the_mean(tiny_data, averaged_run, tmp_path):
    """Another detector than without averaging, after the very same steps."""
    train(runs.tiny_config(tiny_data, num_epochs=2), tmp_path)
    image = runs.picture(0, True)[None]
    mean, last = (
        Detector.load(d, checkpoint="last").logits(image) for d in (averaged_run, tmp_path)
    )
    assert abs(mean - last) > 1e-4
    curves = [[point["loss"] for point in runs.curve(d, "train")] for d in (averaged_run, tmp_path)]
    # Another program, so rounded differently; the steps are the same.
    assert curves[0] == pytest.approx(curves[1], rel=1e-3)


def test_a_resumed_run_ends_as_one_without_a_break(tiny_data, averaged_run, tmp_path):
    config = runs.tiny_config(tiny_data, ema=0.9, num_epochs=1)
    train(config, tmp_path)
    config.num_epochs = 2
    train(config, tmp_path)
    image = runs.picture(1, False)[None]
    resumed, whole = (
        Detector.load(d, checkpoint="last").logits(image) for d in (tmp_path, averaged_run)
    )
    assert resumed == whole
