"""What a user installs: pins that resolve by name, and a wheel that holds all it needs."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile

import pytest

PACKAGES = ("npr_jax", "input_pipeline", "configs")


@pytest.fixture(scope="module")
def project(root):
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def pins(root):
    lines = (root / "constraints.txt").read_text(encoding="utf-8").split()
    return dict(line.split("==") for line in lines), lines


def normalized(requirement):
    name = re.match(r"[A-Za-z0-9._-]+", requirement).group()
    return re.sub(r"[-_.]+", "-", name).lower()


def test_constraints_are_plain_pins(root):
    _, lines = pins(root)
    for line in lines:
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.]*", line), line
    assert "torch==2.13.0" in lines


def test_every_declared_dependency_is_pinned(root, project):
    pinned = {normalized(name) for name in pins(root)[0]}
    groups = {"core": project["dependencies"], **project["optional-dependencies"]}
    for group, requirements in groups.items():
        # TensorFlow's full build is for other machines than the tested ones; an extra may name
        # others of this project.
        names = {normalized(r) for r in requirements} - {"tensorflow", project["name"]}
        assert names <= pinned, f"{group}: {sorted(names - pinned)} not in constraints.txt"


@pytest.fixture(scope="module")
def wheel(root, tmp_path_factory):
    """The wheel that pip builds of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # building leaves files beside the sources
    for package in PACKAGES:
        shutil.copytree(root / package, source / package)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(root / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--no-build-isolation", f"--wheel-dir={folder}", str(source)]
    subprocess.run(command, check=True, cwd=folder)
    [wheel] = folder.glob("*.whl")
    return wheel


def test_wheel_holds_the_packages_and_their_data(root, wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in PACKAGES:
        for path in (root / folder).rglob("*"):
            if path.suffix in (".py", ".npz", ".html", ".css", ".js", ".json"):
                assert path.relative_to(root).as_posix() in names
    strangers = {n.split("/")[0] for n in names} - set(PACKAGES)
    assert all(name.endswith(".dist-info") for name in strangers), strangers
