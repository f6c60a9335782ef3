"""What is made of an error where several processes compute together."""

import jax
import pytest

from npr_jax.training.processes import lost_process

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
