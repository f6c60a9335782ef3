"""How many cores there are for this process."""

import os


def available_cores() -> int:
    """Returns the cores that this process may use, which containers and job schedulers limit."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
