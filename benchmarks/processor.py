"""The name of this machine's processor."""

import platform
from pathlib import Path


def processor_name() -> str:
    """As the kernel gives it, where it does."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
