"""``calibrate`` of a detector without a run: a copy of it that has the new calibration."""

import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from input_pipeline.storage.dataset_writer import write_dataset
from npr_jax import Detector
from npr_jax.cli import main
from npr_jax.detectors.card import card_text
from tests import runs
from tests.evaluation.calibrations import OPTIONS

RATES = [f"--{name}={share}" for name, share in OPTIONS.items()]
OF_CALIBRATION = ("temperature", "bias", "target_error", "generated_from", "photograph_to")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture
def copy(as_default, calibration_data, tmp_path):
    """The bundled detector's copy, calibrated with the images that the run is calibrated with."""
    folder = tmp_path / "copy"
    arguments = [f"--data={calibration_data}", "--split=validation", f"--output={folder}"]
    assert main.run(["calibrate", *arguments, *RATES]) == 0
    return folder


def test_the_copy_has_the_calibration_of_the_same_run(copy, as_default, calibrated):
    before, expected = contents(as_default), calibrated[1]
    card = json.loads((copy / "tiny.json").read_text())
    for name in OF_CALIBRATION:
        assert card["calibration"][name] == pytest.approx(expected[name]), name
    assert re.fullmatch(
        r"1\.0, calibrated on split validation of more \([0-9a-f]{6}\)", card["version"]
    )
    assert card["licence"] == "CC0", "what else the card says"
    fitted_to = card["calibrated_on"]
    assert (fitted_to["photographs"], fitted_to["generated"]) == (
        expected["n_photographs"],
        expected["n_generated"],
    )
    # The network is the same, for ONNX Runtime too, and the bundled detector is as it was.
    assert contents(as_default) == before
    for name in ("tiny.safetensors", "tiny.onnx"):
        assert (copy / name).read_bytes() == before[name]
    kept = {path.suffix for path in (copy / "calibration").iterdir()}
    assert kept == {".csv", ".json", ".png", ".svg"}


def test_predict_scores_with_it_and_names_it(copy, as_default, tmp_path, capsys):
    path = tmp_path / "a.png"
    Image.fromarray(runs.picture(1, True)).save(path)
    [mine], [bundled] = Detector.from_card(copy).score([path]), Detector.default().score([path])
    assert mine.logit == bundled.logit
    calibration = json.loads((copy / "tiny.json").read_text())["calibration"]
    odds = np.exp(mine.logit / calibration["temperature"] + calibration["bias"])
    assert mine.score == pytest.approx(odds / (1 + odds))
    capsys.readouterr()
    assert main.run(["predict", f"--weights={copy}", str(path)]) == 0
    printed = capsys.readouterr()
    assert "tiny 1.0, calibrated on split validation of more" in printed.err
    assert float(printed.out.splitlines()[1].split(",")[1]) == pytest.approx(mine.score, abs=1e-5)


def test_the_copy_can_be_calibrated_again_and_keep_its_limits(copy, tmp_path, capsys):
    card = copy / "tiny.json"
    first = json.loads(card.read_text())
    first["calibration"] |= {"generated_from": 7.5, "photograph_to": -9.25}
    card.write_text(card_text(first))
    data = tmp_path / "mine"
    write_dataset(data, "mine", {"test": runs.records("validation", 160)}, {"made_by": "tests"})
    again = tmp_path / "again"
    arguments = [f"--weights={card}", f"--data={data}", f"--output={again}", "--keep_limits"]
    assert main.run(["calibrate", *arguments]) == 0, "of data with one split, that one is taken"
    said = capsys.readouterr().out
    assert f"try it: predict --weights={again / 'tiny.json'} my_pictures/" in said
    found = json.loads((again / "tiny.json").read_text())
    assert found["version"].startswith("1.0, calibrated on split test of mine (")
    before = found["version"]
    for name in ("generated_from", "photograph_to"):
        assert found["calibration"][name] == first["calibration"][name]
    assert found["calibration"]["temperature"] != first["calibration"]["temperature"]
    assert found["calibrated_on"] == first["calibrated_on"], "what the limits were fitted to"
    assert found["probabilities_fitted_to"]["images"] == "split test of mine"
    # With limits of its own it says nothing of the probabilities before.
    arguments = [f"--weights={again}", f"--data={data}", f"--output={copy}", *RATES]
    assert main.run(["calibrate", *arguments]) == 0
    found = json.loads(card.read_text())
    assert found["version"] != before, "another calibration with the same images"
    assert "probabilities_fitted_to" not in found
    assert found["calibrated_on"]["images"] == "split test of mine"


def test_export_does_not_take_the_place_of_a_calibrated_copy(copy, capsys):
    before = contents(copy)
    assert main.run(["export", "--format=detector", f"--output={copy}"]) == 2
    assert "holds a detector that `calibrate` wrote" in capsys.readouterr().err
    assert contents(copy) == before


def test_figures_of_other_verdicts_do_not_come_along(as_default, calibration_data, tmp_path):
    of_own = shutil.copytree(as_default, tmp_path / "own")
    card = of_own / "tiny.json"
    card.write_text(card_text(json.loads(card.read_text()) | {"figures": {"found": 0.5}}))
    arguments = [f"--weights={card}", f"--data={calibration_data}", f"--output={tmp_path / 'new'}"]
    assert main.run(["calibrate", *arguments, "--split=validation", *RATES]) == 0
    assert "figures" not in json.loads((tmp_path / "new" / "tiny.json").read_text())
    assert Detector.from_card(of_own).card.facts["figures"] == {"found": 0.5}


def test_what_cannot_be_is_refused(as_default, calibration_data, tmp_path, capsys):
    before = contents(as_default)
    (tmp_path / "file").touch()
    notes = tmp_path / "notes" / "tiny.onnx"
    notes.parent.mkdir()
    notes.write_text("mine")
    data = f"--data={calibration_data}"
    for arguments, message in (
        ([], "needs --workdir=RUN; or --data=PREPARED and --output=FOLDER"),
        ([data], "needs --workdir=RUN; or --data=PREPARED and --output=FOLDER"),
        ([data, f"--output={tmp_path / 'new'}"], "has the splits few, photographs, train, valid"),
        ([data, f"--output={as_default}"], "holds the detector that is to be calibrated"),
        ([data, f"--output={notes.parent}"], "is not empty, and holds no earlier copy"),
        ([data, f"--output={notes}/new"], f"{notes} is a file; give a directory"),
        ([data, f"--output={tmp_path / 'file'}"], "is a file; give a directory"),
        (["--workdir=run", f"--output={tmp_path / 'new'}"], "a run keeps its calibration itself"),
        (["--workdir=run", f"--weights={as_default}"], "give either --workdir=RUN or --weights"),
    ):
        assert main.run(["calibrate", *arguments]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert message in line
    assert contents(as_default) == before
    assert notes.read_text() == "mine"
    assert not (tmp_path / "new").exists()
