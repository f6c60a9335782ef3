"""Runs trained side by side end as if each had been trained by itself."""

import json

import numpy as np
import pytest

from npr_jax.inference.detector import Detector
from npr_jax.sweep.vectorized import KeptProgram, train_vectorized
from npr_jax.training.preemption import Preempted
from npr_jax.training.train import train
from npr_jax.training.train_state import init_train_state
from tests import runs
from tests.training.test_preemption import StopAt

THIN = {"model__backbone": "thin_resnet"}
# Seed and learning rate of each run.
MEMBERS = ((0, 1e-3), (1, 1e-3), (1, 3e-4))


def config_of(data, member):
    seed, rate = member
    return runs.tiny_config(data, seed=seed, optimizer__learning_rate=rate, **THIN)


@pytest.fixture(scope="module")
def together(tiny_data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("together")
    workdirs = [folder / str(index) for index in range(len(MEMBERS))]
    configs = [config_of(tiny_data, member) for member in MEMBERS]
    with pytest.raises(Preempted, match="at step 4 of 6"):
        train_vectorized(configs, workdirs, preemption=StopAt(4))
    train_vectorized(configs, workdirs)
    return workdirs


@pytest.mark.slow
@pytest.mark.parametrize("index", range(len(MEMBERS)))
def test_each_ends_as_if_alone(together, tiny_data, tmp_path, index):
    train(config_of(tiny_data, MEMBERS[index]), tmp_path)
    for split in ("train", "validation"):
        ours, alone = runs.curve(together[index], split), runs.curve(tmp_path, split)
        assert [p["step"] for p in ours] == [p["step"] for p in alone]
        np.testing.assert_allclose(
            [p["loss"] for p in ours], [p["loss"] for p in alone], rtol=0, atol=1e-4
        )
    images = np.stack([runs.picture(i, bool(i % 2)) for i in range(6)])
    ours, alone = (Detector.load(w).logits(images) for w in (together[index], tmp_path))
    # Adam's first steps go by signs: rounding of a gradient near zero moves a weight by a step.
    np.testing.assert_allclose(ours, alone, rtol=0, atol=0.02)


@pytest.mark.slow
def test_runs_differ_among_themselves(together):
    losses = [runs.curve(w, "train")[-1]["loss"] for w in together]
    assert len(set(losses)) == len(MEMBERS)
    seeds = [json.loads((w / "config.json").read_text())["seed"] for w in together]
    assert seeds == [seed for seed, _ in MEMBERS]


@pytest.mark.slow
def test_a_run_trained_in_company_goes_on_alone(together, tiny_data):
    config = config_of(tiny_data, MEMBERS[0])
    config.num_epochs = 3
    train(config, together[0])
    steps = [point["step"] for point in runs.curve(together[0], "validation")]
    assert steps == [3, 6, 9]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model__factors": (0.25,)}, "may differ in seed and optimizer.learning_rate alone"),
        ({"data__crop": 32}, "may differ in seed and optimizer.learning_rate alone"),
    ],
)
def test_runs_that_are_not_alike_are_refused(tiny_data, tmp_path, changes, message):
    configs = [runs.tiny_config(tiny_data), runs.tiny_config(tiny_data, **changes)]
    with pytest.raises(ValueError, match=message):
        train_vectorized(configs, [tmp_path / "a", tmp_path / "b"])
    assert not list(tmp_path.iterdir())


def test_runs_that_may_stop_early_are_refused(tiny_data, tmp_path):
    configs = [runs.tiny_config(tiny_data, early_stopping_epochs=2, seed=s) for s in (0, 1)]
    with pytest.raises(ValueError, match="early_stopping_epochs is 2"):
        train_vectorized(configs, [tmp_path / "a", tmp_path / "b"])


def test_a_program_serves_runs_that_differ_in_numbers_only(tiny_data):
    kept = KeptProgram()

    def program_of(config):
        return kept(config, *init_train_state(config, 3)[:2], 3)

    first = program_of(config_of(tiny_data, (0, 1e-3)))
    assert program_of(config_of(tiny_data, (5, 1e-2))) is first
    assert program_of(runs.tiny_config(tiny_data, data__flip=False, **THIN)) is not first
