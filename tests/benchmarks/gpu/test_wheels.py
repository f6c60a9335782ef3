"""What travels to a machine without a network is whole, and has the tested versions."""

import pathlib
import tomllib
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

# What the machine has, as wheels.txt says.
THERE = "jax flax optax orbax-checkpoint torch scipy scikit-learn pillow"
# What no step imports.
UNUSED = {"matplotlib", "opencv-python-headless"}


def names(path: pathlib.Path) -> set[NormalizedName]:
    lines = [line.partition("==")[0].strip() for line in path.read_text().splitlines()]
    return {canonicalize_name(line) for line in lines if line and not line.startswith("#")}


def needs(name: str) -> set[NormalizedName]:
    wanted = map(Requirement, metadata.requires(name) or [])
    here = [w for w in wanted if w.marker is None or w.marker.evaluate({"extra": ""})]
    return {canonicalize_name(w.name) for w in here}


def test_every_wheel_is_pinned(root):
    wanted = names(root / "benchmarks" / "gpu" / "wheels.txt")
    assert wanted
    assert wanted <= names(root / "constraints.txt")


def test_wheels_hold_all_that_the_machine_may_lack(root):
    there: set[str] = set()
    ahead = set(THERE.split())
    while ahead:
        there |= ahead
        ahead = set().union(*map(needs, ahead)) - there
    wheels = names(root / "benchmarks" / "gpu" / "wheels.txt")
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    listed = [*project["dependencies"], *project["optional-dependencies"]["train"]]
    ours = {canonicalize_name(Requirement(line).name) for line in listed} - UNUSED
    # TensorBoard writes its files; its server, which needs more, is not started.
    wanted = ours.union(*map(needs, wheels - {"tensorboard"}))
    assert wanted <= there | wheels
