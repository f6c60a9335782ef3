"""``python main.py export`` as an engineer uses it."""

import csv
import io
import json
import shutil
import sys

import jax
import numpy as np
import onnxruntime
import pytest
from PIL import Image

from input_pipeline.errors import UserError
from npr_jax.detectors import calibration_file
from npr_jax.export.description import describe
from npr_jax.export.formats import Extras, check_output, export_detector
from npr_jax.inference.detector import Detector
from tests import runs
from tests.export import made
from tests.inference.test_scorer import picture


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory, trained):
    """A copy of the trained run with a calibration."""
    workdir = tmp_path_factory.mktemp("calibrated") / "run"
    shutil.copytree(trained.workdir, workdir)
    detector = Detector.load(workdir)
    checkpoint = {
        "step": detector.step,
        "hash": calibration_file.fingerprint(detector.model),
    }
    numbers = {"temperature": 0.4, "bias": 1.25, "target_error": 0.05}
    limits = {"generated_from": 0.75, "photograph_to": None}
    content = {"checkpoint": checkpoint, "preprocessing": detector.preprocessing.values()}
    path = workdir / "calibration" / f"{detector.step}.json"
    path.parent.mkdir()
    path.write_text(json.dumps(content | numbers | limits))
    return workdir


@pytest.mark.slow
def test_both_files_score_as_predict_does(tmp_path, calibrated):
    """Odd and even pictures through three programs; the files come whole and say what they are."""
    sizes = [(64, 64), (45, 64), (70, 33)]
    for index, size in enumerate(sizes):
        Image.fromarray(picture(*size)).save(tmp_path / f"{index}.png")
    names = [str(tmp_path / f"{index}.png") for index in range(len(sizes))]
    finished = runs.main("predict", f"--workdir={calibrated}", *names)
    scores = [float(row["score"]) for row in csv.DictReader(io.StringIO(finished.stdout))]
    assert "calibrated (temperature 0.4" in finished.stderr

    out = tmp_path / "out"
    out.mkdir()
    target = out / "detector.onnx"
    arguments = (f"--workdir={calibrated}", "--format=onnx", f"--output={target}")
    finished = runs.main("export", *arguments)
    assert f"written to {target}, {target.stat().st_size:,} bytes" in finished.stdout
    assert "before: decode the file to 8-bit RGB" in finished.stdout
    detector = Detector.load(calibrated)
    export_detector(detector, "stablehlo", str(out / "detector.stablehlo"))
    written = sorted(path.name for path in out.iterdir())
    assert written == ["detector.onnx", "detector.stablehlo", "detector.stablehlo.json"]

    session = onnxruntime.InferenceSession(str(out / "detector.onnx"))
    program = jax.export.deserialize((out / "detector.stablehlo").read_bytes())
    for name, score in zip(names, scores, strict=True):
        images = np.asarray(Image.open(name))[None]
        [by_onnx] = session.run(["probability"], {"images": images})
        np.testing.assert_allclose(by_onnx, score, rtol=0, atol=1e-5)
        by_stablehlo = program.call(images)["probability"]
        np.testing.assert_allclose(by_stablehlo, score, rtol=0, atol=1e-5)
    assert np.ptp(scores) > 1e-3

    facts = json.loads((out / "detector.stablehlo.json").read_text())
    assert facts["checkpoint_sha256"] == calibration_file.fingerprint(detector.model)
    assert facts["calibration"]["temperature"] == 0.4
    assert facts["verdicts"]["photograph_to"] is None
    expected = 1 / (1 + np.exp(-(0.75 / 0.4 + 1.25)))
    assert facts["verdicts"]["generated_from"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("form", "output", "texts"),
    [
        ("onxx", "a.onnx", ["--format=onxx", "onnx, stablehlo"]),
        ("", "a.onnx", ["--format=;", "onnx, stablehlo"]),
        ("onnx", "", ["--output=FILE"]),
        ("onnx", "no/such/a.onnx", ["no/such/a.onnx", "does not exist"]),
        ("onnx", str(runs.ROOT), ["is a directory", "writes a file"]),
        ("detector", "", ["--output=FILE"]),
        ("detector", __file__, ["is a file; --format=detector writes a folder"]),
        ("web", __file__, ["is a file; --format=web writes a folder"]),
    ],
    ids=["format", "none", "no output", "folder", "directory", "no folder", "file", "file, web"],
)
def test_what_cannot_be_written_is_refused(form, output, texts):
    with pytest.raises(ValueError) as refusal:
        check_output(form, output)
    for text in texts:
        assert text in str(refusal.value)


@pytest.mark.parametrize(("form", "own"), [("onnx", "a.ONNX"), ("stablehlo", "a.stablehlo")])
def test_a_file_of_another_kind_is_not_overwritten(tmp_path, form, own):
    for name in ("empty.png", "picture.png", own):
        (tmp_path / name).write_bytes(b"" if name == "empty.png" else b"x")
    for name in ("empty.png", own, "new.png"):
        assert check_output(form, str(tmp_path / name)) == tmp_path / name
    with pytest.raises(UserError, match=rf"picture\.png exists and does not end in \.{form}; give"):
        check_output(form, str(tmp_path / "picture.png"))


@pytest.mark.parametrize("name", ["tiny.json", "tiny.onnx", "tiny.safetensors"])
def test_a_detector_does_not_overwrite_files_of_others(packed, tmp_path, name):
    (tmp_path / name).write_text('{"weights": 3}')
    with pytest.raises(UserError, match=f"{name}, which would be written too, is there and not by"):
        export_detector(Detector.from_card(packed), "detector", str(tmp_path))
    assert [path.read_text() for path in tmp_path.iterdir()] == ['{"weights": 3}']


def test_a_description_does_not_overwrite_a_file_of_others(tmp_path):
    output = str(tmp_path / "y.stablehlo")
    export_detector(found := made.detector(backbone="thin_resnet"), "stablehlo", output)
    export_detector(found, "stablehlo", output)
    (tmp_path / "y.stablehlo.json").write_text("notes")
    with pytest.raises(UserError, match=r"y\.stablehlo\.json, which would be written too"):
        check_output("stablehlo", output)


def test_the_card_does_not_overwrite_the_file_that_it_was_made_from(trained, tmp_path):
    path = tmp_path / "mine.json"
    path.write_text('{"name": "mine", "version": "1"}')
    with pytest.raises(UserError, match="the detector's card would take its place"):
        export_detector(
            Detector.load(trained.workdir), "detector", str(tmp_path), Extras(facts=str(path))
        )
    assert json.loads(path.read_text()) == {"name": "mine", "version": "1"}


def test_the_page_goes_into_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert check_output("web", "") == tmp_path / "site"


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        (None, "needs --card=FILE.json"),
        ("{", "cannot be read as JSON"),
        ('{"name": "mine", "version": "1", "auc": NaN}', "cannot be read as JSON"),
        ('{"name": "mine", "version": "1", "by": "\\ud800"}', "cannot be read as JSON"),
        ("[]", "gives no name"),
        ('{"name": "mine"}', "gives no version"),
        ('{"name": "mine", "version": 1}', "gives no version"),
        ('{"name": "../mine", "version": "1"}', "expected letters, digits"),
        ('{"name": "mine", "version": "1", "model": {}, "step": 3}', "says model, step by itself"),
    ],
)
def test_what_a_card_cannot_say_is_refused(trained, tmp_path, facts, text):
    path = tmp_path / "facts.json"
    if facts:
        path.write_text(facts)
    extras = Extras(facts=str(path) if facts else "")
    with pytest.raises(UserError, match=text):
        export_detector(Detector.load(trained.workdir), "detector", str(tmp_path / "out"), extras)
    assert not (tmp_path / "out").exists()


def test_only_runs_and_what_has_a_card_are_given_away(packed, tmp_path):
    path = tmp_path / "facts.json"
    path.write_text('{"name": "mine", "version": "1"}')
    for found, problem in (
        (Detector.from_card(packed), "has a card; leave it out"),
        (made.detector(backbone="thin_resnet"), "is no run; give --workdir=RUN"),
    ):
        with pytest.raises(UserError, match=problem):
            export_detector(found, "detector", str(tmp_path / "out"), Extras(facts=str(path)))


def test_a_detector_is_packed_again_as_it_was(packed, tmp_path):
    """Which gives one of an earlier version the file for ONNX Runtime."""
    lines = export_detector(Detector.from_card(packed), "detector", str(tmp_path / "again"))
    assert f"described in {tmp_path / 'again' / 'tiny.json'}" in lines
    names = sorted(path.name for path in (tmp_path / "again").iterdir())
    assert names == ["tiny.json", "tiny.onnx", "tiny.safetensors"]
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (packed / name).read_bytes()
    assert export_detector(Detector.from_card(packed), "detector", str(tmp_path / "again")) == lines


def test_exported_files_name_the_detector(trained, packed):
    assert describe(Detector.from_card(packed))["detector"] == "tiny 1.0"
    run = Detector.load(trained.workdir)
    assert describe(run)["detector"] == f"trained (best, step {run.step})"


def test_wrong_usage_is_one_line():
    """Before the run is read, which may take long."""
    finished = runs.main(
        "export", "--workdir=no/such/run", "--format=onxx", "--output=a.onnx", status=2
    )
    assert finished.stderr.splitlines() == [
        line for line in finished.stderr.splitlines() if line.startswith("error: --format=onxx")
    ]


def test_an_ensemble_is_refused(trained, tmp_path):
    """Before any of its runs is read."""
    arguments = ("--format=onnx", f"--output={tmp_path / 'a.onnx'}")
    both = f"--workdir={trained.workdir},{tmp_path}"
    finished = runs.main("export", both, *arguments, status=2)
    assert "export takes one detector, not an ensemble" in finished.stderr


def test_without_the_package_onnx_the_remedy_is_named(tmp_path, monkeypatch):
    for name in list(sys.modules):
        if name == "onnx" or name.startswith(("onnx.", "npr_jax.export.onnx_")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx", None)
    found = made.detector(backbone="thin_resnet")
    with pytest.raises(ValueError, match=r"pip install 'npr-jax\[export\]'"):
        export_detector(found, "onnx", str(tmp_path / "a.onnx"))
    assert not list(tmp_path.iterdir())


def test_what_happens_to_files_first_is_said(tmp_path):
    found = made.detector(backbone="thin_resnet", resize=224)
    lines = export_detector(found, "stablehlo", str(tmp_path / "a"))
    assert any("resize to 224x224 pixels" in line and "Pillow" in line for line in lines)
