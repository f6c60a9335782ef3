"""How long tests wait for what another process does, and the wait itself."""

import subprocess
import time
from collections.abc import Callable
from typing import TypeVar

PATIENCE = 240  # seconds, on a machine that may be busy
Found = TypeVar("Found")


def wait_for(
    condition: Callable[[], Found],
    process: subprocess.Popen[bytes] | None = None,
    seconds: float = 1000,
) -> Found:
    """What the condition returns once that is true, while the process, if given, runs."""
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, "too slow"
        assert process is None or process.poll() is None, "ended by itself"
        time.sleep(0.1)
    return found


def becomes(tab, read: Callable[[], object], wanted: object) -> None:
    """Waits for what a key or a click does: a busy browser does it a moment later.

    Playwright's own wait would break the pages' policy.
    """
    end = time.monotonic() + PATIENCE
    while (found := read()) != wanted and time.monotonic() < end:
        tab.wait_for_timeout(50)
    assert found == wanted
