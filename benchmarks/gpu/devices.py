"""Which devices JAX and PyTorch see, and the versions of what is measured.

python -m benchmarks.gpu.devices --json=FILE
"""

import argparse
import importlib.metadata
import os
import platform
import shutil
import subprocess

import jax

from benchmarks.gpu import finding
from benchmarks.pipeline import processor_name

PACKAGES = ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "torch", "triton")


def versions() -> dict[str, str]:
    """Of the packages that are there."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "missing"
    return found


def driver() -> str:
    """What the driver says of the card; empty without one."""
    if shutil.which("nvidia-smi") is None:
        return ""
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    return subprocess.run(query, check=False, capture_output=True, text=True).stdout.strip()


def main() -> None:
    """Writes them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", required=True, help="file for the results")
    flags = parser.parse_args()
    import torch

    gpu = jax.default_backend() == "gpu"
    devices = ", ".join(device.device_kind for device in jax.devices())
    torch_sees = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    findings = [
        finding.fact("JAX's devices", f"{devices} ({jax.default_backend()})"),
        finding.fact("PyTorch's device", torch_sees),
        finding.fact("driver", driver() or "none"),
        finding.fact("host", f"{os.cpu_count()} cores, {processor_name()}"),
        finding.fact("versions", ", ".join(f"{k} {v}" for k, v in versions().items())),
    ]
    finding.write(flags.json, findings, gpu=gpu, versions=versions())


if __name__ == "__main__":
    main()
