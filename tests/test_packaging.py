"""What a user installs: pins that resolve by name, and a wheel that holds all it needs."""

import csv
import io
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile

import pytest
from PIL import Image

from npr_jax import Detector
from tests import runs

PACKED = (".py", ".npz", ".html", ".css", ".js", ".json", ".onnx", ".safetensors")
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
            if path.suffix in PACKED:
                assert path.relative_to(root).as_posix() in names
    strangers = {n.split("/")[0] for n in names} - set(PACKAGES)
    assert all(name.endswith(".dist-info") for name in strangers), strangers


@pytest.fixture(scope="module")
def installed(root, wheel, tmp_path_factory):
    """A virtual environment with the wheel, what scoring needs, and nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    command = [folder / "bin" / "python", "-m", "pip", "install", "--quiet"]
    command += ["--disable-pip-version-check", "-c", root / "constraints.txt", wheel]
    subprocess.run(command, check=True)
    return folder


def run_installed(installed, folder, *arguments):
    """Runs ``npr-jax`` in a directory, away from this checkout."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [installed / "bin" / "npr-jax", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.slow
def test_the_light_install_scores_a_picture_from_an_empty_directory(
    installed, trained, tmp_path, tmp_path_factory
):
    picture = tmp_path_factory.mktemp("pictures") / "picture.png"
    Image.fromarray(runs.picture(0, True)).save(picture)
    arguments = ("predict", f"--workdir={trained.workdir}", str(picture))
    finished = run_installed(installed, tmp_path, *arguments)
    assert finished.returncode == 0, finished.stderr
    assert not list(tmp_path.iterdir())
    [row] = csv.DictReader(io.StringIO(finished.stdout))
    [expected] = csv.DictReader(io.StringIO(runs.main(*arguments).stdout))
    assert row == expected
    assert 0 < float(row["score"]) < 1


@pytest.mark.slow
def test_the_light_install_scores_with_its_own_detector(installed, tmp_path):
    Image.fromarray(runs.picture(0, True)).save(tmp_path / "picture.png")
    finished = run_installed(installed, tmp_path, "predict", "picture.png", "--evidence=reasons")
    assert finished.returncode == 0, finished.stderr
    assert list((tmp_path / "reasons").rglob("*.png"))
    detector = Detector.default()
    assert finished.stderr.startswith(f"detector: {detector.title}; ")
    [row] = csv.DictReader(io.StringIO(finished.stdout))
    [expected] = detector.score([tmp_path / "picture.png"])
    assert float(row["score"]) == pytest.approx(expected.score, abs=1e-5)
    assert row["verdict"] == expected.verdict


@pytest.mark.slow
def test_the_light_install_is_light(installed):
    """As the README says."""
    command = [installed / "bin" / "python", "-m", "pip", "list", "--format=freeze"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    names = {normalized(line) for line in listed.splitlines()}
    heavy = {"tensorflow", "tensorflow-cpu", "opencv-python-headless", "pandas"}
    assert not names & (heavy | {"scikit-learn", "pyarrow", "torch", "tensorboard"})
    used = sum(path.lstat().st_blocks * 512 for path in installed.rglob("*"))
    assert used < 1e9


@pytest.mark.slow
def test_the_light_install_says_what_training_needs(installed, tmp_path):
    configs = next(installed.glob("lib/python3.*/site-packages/configs"))
    arguments = ("train", f"--config={configs / 'quickstart.py'}", f"--workdir={tmp_path / 'run'}")
    finished = run_installed(installed, tmp_path, *arguments)
    assert finished.returncode == 2, finished.stderr
    assert "pip install 'npr-jax[train]'" in finished.stderr
    assert "Traceback" not in finished.stderr
