"""A run of several processes: the same numbers, shared input, and an end that loses nothing.

On as many devices in all, however many processes they belong to.
"""

import shutil
import signal
import time

import numpy as np
import pytest

from input_pipeline.cores import available_cores
from tests import runs
from tests.inference.test_devices import scores
from tests.training.hosts import Together, wait_for_step

# 200 steps; the last batch of an epoch has five images.
EPOCH, EPOCHS, STEPS = 397, 4, 200
SETTINGS = {
    "model__backbone": "thin_resnet",
    "num_epochs": EPOCHS,
    "data__images_per_epoch": EPOCH,
    "log_every_steps": 10,
    # As in tests/inference/test_devices.py: Adam makes a whole step of a gradient that is zero but
    # for the order of a sum; several such steps stay below 1e-6. A wrong gradient moves weights by
    # up to 4e-5.
    "optimizer__learning_rate": 2e-7,
}


def train(folder, number, arguments):
    with Together(folder, number, arguments) as together:
        for status, said in together.wait():
            assert status == 0, said
        return together.decoded()


def assert_same_end(workdir, expected):
    arrays, reference = (runs.saved_arrays(run, STEPS) for run in (workdir, expected))
    assert arrays.keys() == reference.keys()
    for key, value in reference.items():
        if key.startswith("params"):
            np.testing.assert_allclose(arrays[key], value, rtol=0, atol=1e-6, err_msg=key)
        if key.startswith("batch_stats"):
            np.testing.assert_allclose(arrays[key], value, rtol=1e-5, atol=1e-5, err_msg=key)
    ours, theirs = scores(workdir), scores(expected)
    assert ours.keys() == theirs.keys()
    np.testing.assert_allclose(list(ours.values()), list(theirs.values()), rtol=0, atol=1e-5)


@pytest.mark.slow
def test_two_processes_are_stopped_and_one_or_four_go_on(tiny_data, tmp_path):
    """SIGTERM reaches one of two; both save at one step, wherever in the epoch that is."""
    alone, two = tmp_path / "alone", tmp_path / "two"
    [decoded] = train(tmp_path, 1, runs.train_arguments(tiny_data, alone, **SETTINGS))
    (tmp_path / "hold").touch()  # or they might be done before the signal is heeded
    with Together(tmp_path, 2, runs.train_arguments(tiny_data, two, **SETTINGS)) as together:
        wait_for_step(two, 10)
        together.processes[1].send_signal(signal.SIGTERM)
        together.wait_for_agreement()
        together.hold.unlink()
        ends = together.wait()
    step = runs.checkpoint_steps(two)[-1]
    assert 10 <= step < STEPS
    for status, said in ends:
        assert status == 0, said
        assert f"stopped by SIGTERM; saved {two} at step {step} of {STEPS}" in said
    for number in (1, 4):
        workdir = tmp_path / str(number)
        shutil.copytree(two, workdir)
        shares = train(tmp_path, number, runs.train_arguments(tiny_data, workdir, **SETTINGS))
        assert_same_end(workdir, alone)
    # Of four: what was left of the training, validation and test images, and what was read ahead.
    whole = decoded * (STEPS - step) / STEPS
    # Besides: a share of the validation and test images, and two batches' images per reading core.
    assert max(shares) < whole / 4 + 46 + 2 * min(16, available_cores()) < whole
    assert sum(shares) > whole - 50


NOTICED = 60  # seconds, as docs/scale.md promises
# Half of them are JAX's silence (see test_processes.py), and two busy cores hardly need one more; a
# machine of CI may be so late besides that all takes half as long again.
SLACK = 30


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "silent"])
def test_when_one_dies_the_others_say_so(tiny_data, tmp_path, sent):
    """One that is stopped keeps its connections open, as a machine without power does."""
    workdir = tmp_path / "run"
    arguments = runs.train_arguments(tiny_data, workdir, **SETTINGS | {"num_epochs": 1000})
    with Together(tmp_path, 2, arguments) as together:
        wait_for_step(workdir, 10)
        together.processes[1].send_signal(sent)
        start = time.monotonic()
        status, said = together.end_of(0)
        seconds = time.monotonic() - start
    # A collective fails, or waits until JAX has heard nothing for 30 s and aborts (docs/scale.md).
    if status == 1:
        assert sent == signal.SIGKILL, said
        assert f"error: another process that trains {workdir} is gone" in said
        assert "Traceback" not in said
    else:
        assert status == -signal.SIGABRT, said
        assert "another task died" in said
    assert seconds < NOTICED + SLACK
