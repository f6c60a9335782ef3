"""How long tests wait for what another process does, and the wait itself."""

import time
from collections.abc import Callable

PATIENCE = 240  # seconds, on a machine that may be busy


def becomes(tab, read: Callable[[], object], wanted: object) -> None:
    """Waits for what a key or a click does: a busy browser does it a moment later.

    Playwright's own wait would break the pages' policy.
    """
    end = time.monotonic() + PATIENCE
    while (found := read()) != wanted and time.monotonic() < end:
        tab.wait_for_timeout(50)
    assert found == wanted
