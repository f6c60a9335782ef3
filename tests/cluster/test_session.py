"""What is said where Ray does not start."""

import logging
import types

import pytest

from npr_jax.cluster.session import ADVICE, TRIES, session


class Slow(types.SimpleNamespace):
    """Ray on a machine that is too busy for it."""

    started = ended = 0

    def is_initialized(self):
        return False

    def init(self, **_):
        self.started += 1
        raise Exception("The current node timed out during startup.")  # as Ray 2.60 says it

    def shutdown(self):
        self.ended += 1


def test_a_machine_too_busy_for_ray_is_no_fault_of_this_project():
    ray = Slow()
    with pytest.raises(OSError, match="may be too busy"), session(ray, ""):
        pass
    assert ray.started == ray.ended == TRIES


class Talking(Slow):
    """Ray that starts, and says how to undo what is done on purpose."""

    def init(self, **_):
        for name in ADVICE:
            logging.getLogger(name).warning("Set RAY_AUTH_MODE=disabled to opt out.")


def test_no_advice_to_undo_what_is_done_on_purpose_at_each_start(caplog):
    with session(Talking(), ""):
        pass
    assert not caplog.records
