"""A calibrated run, shared by the tests of what it is made of and of what is made of it."""

import shutil

import pytest

import npr_jax
from input_pipeline.storage.atomic_files import write_together
from input_pipeline.storage.dataset_writer import write_dataset
from npr_jax.analysis.figures.reliability import draw
from npr_jax.analysis.figures.style import figure_files
from npr_jax.evaluation.calibrate import calibrate
from tests.evaluation.calibrations import OPTIONS, RECORDS, photographs_or_half


@pytest.fixture(scope="session")
def calibration_data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "more"
    splits = {name: photographs_or_half(name) for name in RECORDS}
    write_dataset(path, "more", splits, {"made_by": "tests"})
    return path


@pytest.fixture(scope="session")
def calibrated(trained, calibration_data, tmp_path_factory):
    """The finished run, calibrated: its directory and what ``calibrate`` returned."""
    workdir = tmp_path_factory.mktemp("calibrated") / "run"
    shutil.copytree(trained.workdir, workdir)
    detector = npr_jax.Detector.load(workdir)
    results = calibrate(detector, workdir, data=str(calibration_data), split="", **OPTIONS)
    # As the command does.
    step = str(results["checkpoint"]["step"])
    write_together(workdir / "calibration", figure_files(draw(results), step))
    return workdir, results
