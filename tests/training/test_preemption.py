"""SIGTERM: what is done is saved, said, and gone on with."""

import os
import signal

import numpy as np
import pytest

from npr_jax.cli import main
from npr_jax.training.preemption import Preempted, Preemption
from tests import runs

# What ml_collections loads recipes with.
pytestmark = pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")


def terminate():
    os.kill(os.getpid(), signal.SIGTERM)


class StopAt(Preemption):
    """Says at one step that it is time to leave."""

    def __init__(self, step):
        super().__init__()
        self.step = step

    def reached(self, step):
        return step == self.step


def during(*, asked: int, then: BaseException | None = None):
    """SIGTERM during steps that have asked so often, which end in that error, if any."""
    preemption = Preemption()
    with preemption.heeded(), preemption.steps():
        for step in range(asked):
            assert not preemption.reached(step)
        terminate()
        assert preemption.reached(asked)
        if then:
            raise then


def test_before_the_first_step_it_ends_at_once():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Preempted, match="stopped by SIGTERM; no training step is lost"):
        during(asked=0, then=AssertionError("it went on"))
    assert signal.getsignal(signal.SIGTERM) == before


def test_between_steps_it_waits_until_it_is_asked_and_is_not_forgotten_after_the_last():
    with pytest.raises(Preempted, match="stopped by SIGTERM"):
        during(asked=1)


def test_it_hides_no_error():
    """A checkpoint that cannot be written is what a user must hear of."""
    with pytest.raises(OSError, match="disk full"):
        during(asked=1, then=OSError("disk full"))


@pytest.fixture
def at_step(monkeypatch):
    """Sends this process SIGTERM as it comes to a step."""

    reached = Preemption.reached

    def install(wanted):
        def after_the_signal(self, step):
            reached(self, step)
            if step == wanted:
                terminate()
            return reached(self, step)

        monkeypatch.setattr(Preemption, "reached", after_the_signal)

    return install


@pytest.mark.slow
def test_a_run_that_is_stopped_goes_on_bit_identically(
    trained, tiny_data, tmp_path, at_step, capsys
):
    """Step 5 of 6: neither an epoch nor a point of the curve ends there."""
    at_step(5)
    workdir = tmp_path / "stopped"
    arguments = runs.train_arguments(tiny_data, workdir)
    assert main.run(arguments) == 0
    said = (
        f"stopped by SIGTERM; saved {workdir} at step 5 of 6: the same command goes on from there"
    )
    assert said in capsys.readouterr().err
    assert runs.checkpoint_steps(workdir)[-1] == 5
    assert runs.curve(workdir, "train")[-1]["step"] == 5
    assert not (workdir / "evaluation").exists()
    # It has gone to the end when the signal comes again.
    at_step(6)
    assert main.run(arguments) == 0
    expected, arrays = (runs.saved_arrays(run, 6) for run in (trained.workdir, workdir))
    for key, value in expected.items():
        np.testing.assert_array_equal(arrays[key], value, key)


def test_before_the_first_step_there_is_nothing_to_save(tiny_data, tmp_path, at_step, capsys):
    at_step(0)
    arguments = runs.train_arguments(tiny_data, tmp_path / "run")
    assert main.run([*arguments, "--preempted_status=75"]) == 75
    assert "no step was done" in capsys.readouterr().err
    assert runs.checkpoint_steps(tmp_path / "run") == []
