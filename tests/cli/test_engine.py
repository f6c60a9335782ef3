"""``--engine``: one picture without JAX, and the same score with it."""

import csv
import shutil

import pytest
from PIL import Image

from npr_jax.cli import main
from npr_jax.detectors.card import own_card
from tests import runs
from tests.inference.test_scorer import picture

# What a fresh process has imported when the command has ended.
LOADED = """
import sys
from npr_jax.cli.main import run
status = run(sys.argv[1:])
print(*(m for m in ("jax", "flax", "scipy", "sklearn", "jinja2") if m in sys.modules), status)
"""


def fresh(*arguments):
    """Runs a command in a process of its own: last line of its output, and what it said."""
    done = runs.python("-c", LOADED, *arguments)
    return done.stdout.splitlines()[-1], done.stderr


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "one.png"
    Image.fromarray(picture(65, 90)).save(path)
    return path


@pytest.fixture
def copied(packed, tmp_path):
    return shutil.copytree(packed, tmp_path / "copied")


def scores(path):
    with path.open() as file:
        return [float(row["score"]) for row in csv.DictReader(file)]


@pytest.mark.slow
def test_a_packed_detector_scores_without_jax_as_flax_does(packed, image, tmp_path):
    weights, quick, flax = f"--weights={packed}", tmp_path / "quick.csv", tmp_path / "flax.csv"
    loaded, said = fresh("predict", image, weights, f"--output={quick}")
    assert loaded == "0", "nothing of the list is loaded, and the exit status is 0"
    assert "; engine: onnxruntime " in said
    loaded, said = fresh("predict", image, weights, f"--output={flax}", "--engine=flax")
    assert "; engine: flax " in said
    assert "jax" in loaded
    assert scores(quick) == pytest.approx(scores(flax), abs=3e-5)


def test_onnx_runtime_tells_nobody_and_leaves_nothing_behind(image, tmp_path, monkeypatch):
    """Its own telemetry keeps a number of the machine in HOME and a session in TMPDIR."""
    for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    _, said = fresh("predict", image)
    assert "; engine: onnxruntime " in said
    left = [
        path
        for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME")
        for path in (tmp_path / name).rglob("*")
    ]
    assert left == []


@pytest.mark.slow
def test_the_bundled_detector_needs_no_jax(image):
    loaded, said = fresh("predict", image)
    assert loaded == "0"
    assert "engine: onnxruntime" in said


@pytest.mark.parametrize("harm", ["damaged", "of other weights"])
def test_a_network_file_that_does_not_fit_is_told_and_not_used(copied, image, harm, capsys, caplog):
    file = copied / "tiny.onnx"
    if harm == "damaged":
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    else:
        shutil.copy(own_card().with_suffix(".onnx"), file)
    assert main.run(["predict", str(image), f"--weights={copied}"]) == 0
    assert harm in caplog.text
    assert "made anew" in caplog.text
    assert "engine: onnxruntime" in capsys.readouterr().err
