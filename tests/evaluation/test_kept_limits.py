"""``calibrate --keep_limits``: new probabilities, verdicts from where they began before."""

import json
import shutil

import numpy as np
import pytest

import npr_jax
from input_pipeline.storage.dataset_writer import write_dataset
from npr_jax.cli import main
from npr_jax.detectors import calibration_file
from npr_jax.detectors.calibration import Calibration
from npr_jax.evaluation.calibration_fit import with_limits_of
from tests import runs


@pytest.fixture
def run(trained, tmp_path):
    workdir = tmp_path / "run"
    shutil.copytree(trained.workdir, workdir)
    return workdir


@pytest.fixture
def data(tmp_path):
    """Images of a split that the run was not trained on."""
    path = tmp_path / "new"
    write_dataset(path, "new", {"test": runs.records("validation", 160)}, {"made_by": "tests"})
    return path


def calibration_of(workdir):
    [path] = (workdir / calibration_file.FOLDER).glob("*.json")
    return path, json.loads(path.read_text())


def test_probabilities_are_of_the_new_images_and_limits_of_the_old(run, data, capsys):
    arguments = ["calibrate", f"--workdir={run}", f"--data={data}", "--split=test"]
    assert main.run([*arguments, "--target_error=0.1", "--source_error=0.2"]) == 0
    path, first = calibration_of(run)
    limits = {"generated_from": 7.5, "photograph_to": -9.25, "temperature": 3.0, "bias": 0.5}
    path.write_text(json.dumps(first | limits))
    capsys.readouterr()
    assert main.run([*arguments, "--keep_limits"]) == 0
    said = "the limits of the verdicts are those of the calibration before"
    assert said in capsys.readouterr().out
    _, kept = calibration_of(run)
    assert (first["limits_kept"], kept["limits_kept"]) == (False, True)
    assert (kept["generated_from"], kept["photograph_to"]) == (7.5, -9.25)
    assert kept["target_error"] == 0.1
    for name in ("temperature", "bias"):
        assert kept[name] == pytest.approx(first[name])
    # All photographs are judged by the one limit, whichever half they are of.
    rows = np.genfromtxt(path.with_suffix(".csv"), delimiter=",", names=True, dtype=None)
    alarms = int((rows["clean"][rows["label"] == 0] >= 7.5).sum())
    found = kept["measured"]["deliveries"]["clean"]["verdicts"]
    assert found["photographs_called_generated"] == alarms
    assert npr_jax.Detector.load(run).calibration.generated_from == 7.5


def test_a_limit_never_contradicts_a_probability_of_one_half():
    limits = Calibration(1.0, 0.0, 0.05, generated_from=0.5, photograph_to=None)
    assert with_limits_of(limits, Calibration(2.0, -1.0, 0.2, 9.0, -9.0)) == Calibration(
        2.0, -1.0, 0.05, generated_from=2.0, photograph_to=None
    )
    limits = Calibration(1.0, 0.0, 0.05, generated_from=None, photograph_to=-0.5)
    assert with_limits_of(limits, Calibration(2.0, 1.0, 0.2, 9.0, -9.0)) == Calibration(
        2.0, 1.0, 0.05, generated_from=None, photograph_to=-2.0
    )


def test_what_cannot_be_is_refused(run, data, capsys):
    arguments = ["calibrate", f"--workdir={run}", f"--data={data}", "--split=test", "--keep_limits"]
    assert main.run(arguments) == 2
    assert "has no calibration whose limits could be kept" in capsys.readouterr().err
    assert main.run([*arguments, "--target_error=0.1"]) == 2
    assert "--target_error with --keep_limits" in capsys.readouterr().err
