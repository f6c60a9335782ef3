"""What is made of a calibrated run, and when it is refused."""

import csv
import dataclasses
import json
import logging
import shutil

import numpy as np
import pytest
from PIL import Image

import npr_jax
from input_pipeline.images.preprocessing import Preprocessing
from input_pipeline.loading.mixture import MixedDataset
from npr_jax.cli import main
from npr_jax.cli.predict import predict_files
from npr_jax.evaluation.evaluate import evaluate_run
from npr_jax.inference.ensemble import Ensemble
from tests import runs


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for index in range(6):
        Image.fromarray(runs.picture(index, bool(index % 2))).save(folder / f"{index}.png")
    return sorted(map(str, folder.iterdir()))


def test_scores_and_verdicts_are_calibrated(calibrated, files, tmp_path, capsys):
    workdir, kept = calibrated
    detector = npr_jax.Detector.load(workdir)
    raw = npr_jax.Detector.load(workdir, calibrated=False)
    high, low = kept["generated_from"], kept["photograph_to"]
    for result, plain in zip(detector.score(files), raw.score(files), strict=True):
        assert result.logit == plain.logit
        expected = 1 / (1 + np.exp(-(result.logit / kept["temperature"] + kept["bias"])))
        assert result.score == pytest.approx(expected, abs=1e-9)
        assert plain.score == pytest.approx(1 / (1 + np.exp(-plain.logit)), abs=1e-9)
        verdict = "unsure"
        if high is not None and result.logit >= high:
            verdict = "generated"
        elif low is not None and result.logit <= low:
            verdict = "photograph"
        assert result.verdict == verdict
    output = tmp_path / "scores.csv"
    assert predict_files(detector, files, str(output), confidence=None) == 0
    assert "scores: calibrated (temperature" in capsys.readouterr().err
    with open(output, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["score"] for row in rows] == [f"{r.score:.6f}" for r in detector.score(files)]
    assert predict_files(raw, files, str(output), confidence=None) == 0
    assert "scores: not calibrated" in capsys.readouterr().err


def test_a_confidence_overrides_the_band(calibrated, files):
    detector = npr_jax.Detector.load(calibrated[0])
    assert {r.verdict for r in detector.score(files, confidence=1 - 1e-12)} == {"unsure"}
    for result in detector.score(files, confidence=0.5):
        assert result.verdict == ("generated" if result.score >= 0.5 else "photograph")


@pytest.fixture
def copied(calibrated, tmp_path):
    """A copy of the calibrated run, its calibration file and what is in it."""
    workdir = tmp_path / "run"
    shutil.copytree(calibrated[0], workdir)
    [path] = (workdir / "calibration").glob("*.json")
    return workdir, path, json.loads(path.read_text())


def test_where_the_user_asks_for_another_detector_its_scores_are_not_calibrated(
    copied, files, caplog
):
    workdir, path, _ = copied
    with caplog.at_level(logging.WARNING, "npr_jax"):
        other = npr_jax.Detector.load(workdir, resize=48)
        assert other.calibration is None
        assert "images prepared otherwise (native size, sides cut to multiples of 2" in caplog.text
        assert caplog.text.endswith("leave --resize out to use it\n")
        assert "images prepared otherwise (native size, " in other.calibration_in_words
        caplog.clear()
        path.rename(path.with_name("999.json"))
        detector = npr_jax.Detector.load(workdir)
        assert detector.calibration is None
        said = "the calibration of step 999 is not of this checkpoint"
        assert said in caplog.text
        assert caplog.text.endswith("run calibrate again\n")
        assert said in detector.calibration_in_words
        assert caplog.text.count("\n") == 1
        [result] = detector.score(files[:1])
        assert result.score == pytest.approx(1 / (1 + np.exp(-result.logit)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"checkpoint": {"step": 0, "hash": "0" * 64}}, "was made for other weights than those"),
        ({"preprocessing": {"resize": 48}}, r"prepared otherwise \(squashed to 48x48 pixels\)"),
        ({"preprocessing": "squashed to 48x48 pixels"}, r"\(squashed to 48x48 pixels\) than this"),
        ({"preprocessing": "nativ size"}, "is damaged .*'nativ size' is not known"),
        ({"preprocessing": {"blur": 1}}, "is damaged .*'blur'"),
        ({"temperature": None}, None),
    ],
)
def test_a_calibration_that_does_not_fit_is_refused_and_never_dropped(copied, changes, message):
    """Without it, another verdict would be given than yesterday, and nobody would see why."""
    workdir, path, content = copied
    path.write_text(json.dumps(content | changes) if message else "{}")
    with pytest.raises(ValueError, match=f"(?s){message or 'is damaged'}.*delete it"):
        npr_jax.Detector.load(workdir)
    assert npr_jax.Detector.load(workdir, calibrated=False).calibration is None


def test_values_are_compared_and_not_words(copied, monkeypatch):
    workdir, _, content = copied
    assert content["preprocessing"]["resize"] == 0
    monkeypatch.setattr(Preprocessing, "in_words", lambda self: "quite another sentence")
    assert npr_jax.Detector.load(workdir).calibration is not None


def test_words_of_version_1_are_still_read(copied):
    workdir, path, content = copied
    words = (
        "re-encoded as JPEG 75, squashed to 64x64 pixels, centre crop of 40 pixels "
        "(smaller images tiled)"
    )
    path.write_text(json.dumps(content | {"preprocessing": words}))
    config = json.loads((workdir / "config.json").read_text())
    config["data"] |= {"reencode": [60, 91], "evaluate_resize": 64, "evaluate_crop": 40}
    config["data"] |= {"small_images": "tile", "evaluate_even": True}
    (workdir / "config.json").write_text(json.dumps(config))
    assert npr_jax.Detector.load(workdir).calibration is not None
    config["data"]["small_images"] = "reflect"
    (workdir / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="smaller images tiled"):
        npr_jax.Detector.load(workdir)


def test_a_calibration_of_before_is_used_as_it_was(copied):
    """What an earlier version kept besides: a threshold of its own, and other measures."""
    workdir, path, content = copied
    for key in ("source_error", "n_photographs", "n_generated"):
        del content[key]
    del content["measured"]["deliveries"], content["measured"]["sources"]
    content |= {"threshold": {"false_positive_rate": 0.01}, "fitted_on": {}, "measured_on": {}}
    path.write_text(json.dumps(content))
    found = npr_jax.Detector.load(workdir).calibration
    assert found is not None
    assert (found.target_error, found.generated_from) == (0.05, content["generated_from"])


@pytest.mark.parametrize("saved", ["native size", {"resize": 0, "even": False}])
def test_a_calibration_of_uncut_images_is_refused_where_images_are_cut_now(copied, saved):
    """As version 1 wrote it, and as it was written until `multiple_of` took the place of `even`."""
    workdir, path, content = copied
    path.write_text(json.dumps(content | {"preprocessing": saved}))
    with pytest.raises(ValueError, match=r"\(native size\) than this run .* multiples of 2 pixels"):
        npr_jax.Detector.load(workdir)
    if isinstance(saved, dict):
        path.write_text(json.dumps(content | {"preprocessing": saved | {"even": True}}))
        assert npr_jax.Detector.load(workdir).calibration is not None
    # All images of 48 pixels are the same, cut or not.
    squashed = (
        {"resize": 48, "even": False} if isinstance(saved, dict) else "squashed to 48x48 pixels"
    )
    path.write_text(json.dumps(content | {"preprocessing": squashed}))
    assert npr_jax.Detector.load(workdir, resize=48).calibration is not None


def test_other_preprocessing_afterwards_is_another_detector(calibrated):
    detector = npr_jax.Detector.load(calibrated[0])
    assert detector.calibration is not None
    way = dataclasses.replace(detector.preprocessing, resize=48)  # as --resize=protocol does
    other = detector.with_preprocessing(way)
    assert other.calibration is None
    assert "its calibration is for images prepared otherwise: native size" in (
        other.calibration_in_words
    )
    assert detector.calibration is not None
    assert detector.with_preprocessing(detector.preprocessing).calibration is detector.calibration


def test_an_ensemble_is_not_calibrated(calibrated, files, capsys):
    members = [npr_jax.Detector.load(calibrated[0]) for _ in range(2)]
    ensemble = Ensemble(members)
    assert ensemble.calibration is None
    assert "each alone" in ensemble.calibration_in_words
    for result in ensemble.score(files):
        assert result.score == pytest.approx(1 / (1 + np.exp(-result.logit)))
    for flags, message in (
        (["--workdir=a,b"], "an ensemble has no checkpoint"),
        (["--weights=NPR.pth"], "needs --workdir=RUN"),
        ([], "needs --workdir=RUN"),
    ):
        assert main.run(["calibrate", *flags]) == 2
        assert message in capsys.readouterr().err


def test_evaluation_adds_verdicts_and_keeps_its_threshold(
    calibrated, trained, tiny_data, tmp_path, capsys
):
    detector = npr_jax.Detector.load(calibrated[0])
    dataset = MixedDataset.load([tiny_data])
    results = evaluate_run(detector, detector.config, dataset, tmp_path)
    assert "calibrated verdicts" in capsys.readouterr().out
    assert [row["generator"] for row in results["verdicts"]] == ["alpha", "beta", "gamma"]
    [path] = (trained.workdir / "evaluation").glob("*/results.json")
    raw = json.loads(path.read_text())
    assert raw["verdicts"] is None
    assert results["mean"] == pytest.approx(raw["mean"])
