"""Which code on which machine made a number."""

import importlib.metadata
import pathlib
import platform
import subprocess
import time
from typing import Any


def provenance() -> dict[str, Any]:
    """Version, commit (of a checkout), date, machine and library versions, as JSON."""
    import jax  # here, because predictions need the version alone

    devices = sorted({device.device_kind for device in jax.devices()})
    return {
        "version": package_version(),
        "commit": _commit(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "machine": f"{platform.machine()}, {jax.device_count()} x {', '.join(devices)}",
        "python": platform.python_version(),
        "jax": jax.__version__,
    }


def package_version() -> str | None:
    """The version of this package as installed; None in a checkout that is not."""
    try:
        return importlib.metadata.version("npr-jax")
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The checkout's commit, with a plus where files differ from it.

    None without git, and where this file is not tracked at its place below the top of a
    repository: installed somewhere inside another repository, or copied into one, the package is
    not what that repository's commit says.
    """
    here = pathlib.Path(__file__).resolve()
    root = here.parents[2]
    try:
        tracked = _git(root, "ls-files", "--full-name", "--error-unmatch", str(here))
        if tracked != here.relative_to(root).as_posix():
            return None
        return _git(root, "describe", "--always", "--dirty=+", "--abbrev=10")
    except (OSError, subprocess.SubprocessError):
        return None


def _git(root: pathlib.Path, *arguments: str) -> str:
    """What a git command prints when run in a directory, stripped."""
    command = ["git", "-C", str(root), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    return result.stdout.strip()
