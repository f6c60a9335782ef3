"""What is made of an error where several processes compute together."""

import jax
import pytest

from npr_jax.training.processes import join_processes, lost_process

# As jaxlib 0.10.2 says it on two CPUs after a SIGKILL, and Orbax of a save that it cut short.
GLOO = (
    "UNKNOWN: Gloo AllReduce failed: [external/gloo/gloo/transport/tcp/pair.cc:538] Read error "
    "[127.0.0.1]:31913: Connection reset by peer"
)


def wrapped(cause: str) -> OSError:
    error = OSError("a checkpoint could not be written")
    error.__cause__ = ValueError(cause)
    return error


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (ValueError(GLOO), GLOO),
        (wrapped(GLOO), GLOO),
        (wrapped("No space left on device"), ""),
        (ValueError("shapes differ"), ""),
    ],
)
def test_a_lost_process_is_told_from_other_errors(monkeypatch, error, lost):
    assert not lost_process(error)  # there is no other
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    assert lost_process(error) == lost


def test_a_silent_process_counts_as_dead_after_half_of_the_minute_that_is_promised(monkeypatch):
    """The other half is for the end; by JAX itself it would be 100 s."""
    told = {}
    monkeypatch.setattr(jax.distributed, "initialize", lambda *_, **named: told.update(named))
    join_processes("localhost:1234", 1, 0)
    assert told["heartbeat_timeout_seconds"] <= 30
