"""What travels to a machine without a network is whole, and has the tested versions."""

import pathlib
import tomllib
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

# What the machine has, as wheels.txt says.
THERE = "jax flax optax orbax-checkpoint torch scipy scikit-learn pillow"


def names(path: pathlib.Path) -> set[str]:
    lines = [line.partition("==")[0].strip() for line in path.read_text().splitlines()]
    return {canonicalize_name(line) for line in lines if line and not line.startswith("#")}


def needs(name: str) -> set[str]:
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
    wanted = {canonicalize_name(Requirement(line).name) for line in project["dependencies"]}
    wanted = wanted.union(*map(needs, wheels))
    assert wanted <= there | wheels
