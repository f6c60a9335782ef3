"""A run that version 1 wrote still loads, scores what it scored and goes on."""

import json
import pathlib
import tarfile

import numpy as np
import pytest

from configs import spectrum
from npr_jax.inference.detector import Detector
from npr_jax.training.train import train
from tests import runs

# Written by version 1 (commit a164d70): one epoch of the smallest system, whose checkpoint keeps
# network and optimizer in one item. ``expected.json`` has the logits of IMAGES after that epoch,
# and after version 1 itself went on to a second one.
ARCHIVE = pathlib.Path(__file__).with_name("version_1.tar.xz")
IMAGES = np.stack([runs.picture(seed, bool(seed % 2)) for seed in range(6)])


@pytest.fixture
def old_run(tmp_path):
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path / "version_1"


def expected(run, when):
    return json.loads((run / "expected.json").read_text())[when]


@pytest.mark.parametrize("checkpoint", ["best", "last"])
def test_it_scores_what_it_scored(old_run, checkpoint):
    detector = Detector.load(old_run, checkpoint=checkpoint)
    assert detector.step == 3
    logits = detector.logits(IMAGES)
    np.testing.assert_allclose(logits, expected(old_run, "after 3"), rtol=0, atol=1e-5)


def test_it_goes_on_as_version_1_did(old_run, tiny_data):
    config = runs.tiny_config(tiny_data, optimizer__learning_rate=0.01)
    config.model = spectrum.get_config().model
    train(config, old_run)
    assert [point["step"] for point in runs.curve(old_run, "validation")] == [3, 6]
    logits = Detector.load(old_run, checkpoint="last").logits(IMAGES)
    np.testing.assert_allclose(logits, expected(old_run, "after 6"), rtol=0, atol=1e-4)
