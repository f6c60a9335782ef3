"""Locks between processes that work in one directory."""

import contextlib
import fcntl
import os
import pathlib
from collections.abc import Iterator

from input_pipeline.errors import UserError


@contextlib.contextmanager
def locked(path: pathlib.Path, *, wait: bool) -> Iterator[bool]:
    """Holds an advisory lock on a file for the length of the block; yields whether it is held.

    The lock belongs to the open file, which is made where missing and never removed, not to its
    existence: the kernel drops it when the process ends, killed or not, so that none is ever left
    over. On a shared disk it works across machines where the disk supports ``flock`` (NFS from
    Linux 2.6.12 on, Lustre mounted with ``flock``); elsewhere every process gets it. ``wait``: for
    whoever holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        yield _take(descriptor, wait)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def alone(path: pathlib.Path, what: str, remedy: str) -> Iterator[None]:
    """Holds a lock as ``locked`` does; ``UserError`` where another process is at ``what``."""
    with locked(path, wait=False) as mine:
        if not mine:
            raise UserError(f"another process is {what}; wait for it, or {remedy}")
        yield


def _take(descriptor: int, wait: bool) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        return True  # a disk without locks: they only spare work, see those who use them
    return True
