"""Ending early where the machine is taken away: SIGTERM saves the run, and the next start goes on.

Schedulers send it some time before they kill: Slurm's ``--signal``, Kubernetes before it ends a
pod, a spot machine before it goes. Of several processes that train together any one may get it, and
all stop at the same step: JAX's preemption service listens for it and agrees on one.
"""

import contextlib
import signal
from collections.abc import Iterator
from typing import Any


class Preempted(BaseException):
    """SIGTERM ended the work before its end; all that was done is saved.

    Like ``KeyboardInterrupt`` it may come at any point, and is no error that anything on the way
    could explain better.
    """

    def __init__(self, what: str) -> None:
        super().__init__(f"stopped by SIGTERM; {what}")

    @classmethod
    def at(cls, workdir: object, step: int, num_steps: int) -> "Preempted":
        """What a loop raises once that step is saved, or on its way to the disk."""
        saved = f"saved {workdir} at step {step} of {num_steps}" if step else "no step was done"
        return cls(f"{saved}: the same command goes on from there")


class Preemption:
    """Whether to stop before the end.

    As it is made it never says so to a process that trains alone; while it is ``heeded``, SIGTERM
    makes it. Processes that train together need no more than ``reached``.
    """

    def __init__(self) -> None:
        self._received = self._asked = False

    @contextlib.contextmanager
    def heeded(self) -> Iterator[None]:
        """Turns SIGTERM into ``Preempted``: at once, or during ``steps`` when they ask.

        To be entered in the main thread, before ``jax.distributed`` listens for the signal itself.
        """
        before = signal.signal(signal.SIGTERM, self._receive)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    @contextlib.contextmanager
    def steps(self) -> Iterator[None]:
        """Around a training loop and the opening and closing of what it saves to.

        From the first call of ``reached`` on, SIGTERM waits for the next one.
        """
        try:
            yield
        finally:
            self._asked = False
        if self._received:
            raise _outside()

    def reached(self, step: int) -> bool:
        """Whether to save and leave now; to be asked after every step, by all processes."""
        # Here: importing JAX takes seconds, in which SIGTERM is heeded already.
        import jax
        from jax.experimental import multihost_utils

        self._asked = True
        if jax.process_count() > 1:
            return multihost_utils.reached_preemption_sync_point(step)
        return self._received

    def _receive(self, number: int, frame: Any) -> None:
        del number, frame
        self._received = True
        if not self._asked:
            raise _outside()


def _outside() -> Preempted:
    return Preempted("no training step is lost: the same command goes on from the last one")
