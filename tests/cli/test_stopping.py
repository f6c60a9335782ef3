"""What ends a command from outside."""

import os
import signal
import threading

import pytest

from npr_jax.cli.stopping import Terminated, terminable


def test_sigterm_is_an_exception_within_the_block_alone():
    def work():
        with terminable():
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Terminated):
        work()
    assert signal.getsignal(signal.SIGTERM) == before


def test_in_another_thread_it_changes_nothing():
    def work():
        with terminable():
            done.append(True)

    done = []
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [True]
