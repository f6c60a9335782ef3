"""``calibrate`` on a finished run, and what ``predict``, ``evaluate`` and the API make of it."""

import csv
import dataclasses
import hashlib
import io
import json
import logging
import shutil

import numpy as np
import pytest
from PIL import Image

import npr_jax
from input_pipeline.images.preprocessing import Preprocessing
from input_pipeline.loading.mixture import MixedDataset
from input_pipeline.storage.atomic_files import write_together
from input_pipeline.storage.csv_files import read_csv
from input_pipeline.storage.dataset_writer import write_dataset
from input_pipeline.storage.records import ImageRecord
from npr_jax.analysis.figures.reliability import draw
from npr_jax.analysis.figures.style import figure_files
from npr_jax.cli import main
from npr_jax.cli.predict import predict_files
from npr_jax.detectors import calibration_file
from npr_jax.evaluation import calibration_fit
from npr_jax.evaluation.calibrate import calibrate, halves
from npr_jax.evaluation.calibration_words import in_words
from npr_jax.evaluation.evaluate import evaluate_run
from npr_jax.inference.ensemble import Ensemble
from tests import runs

COUNT = 240
OPTIONS = {"target_error": 0.05, "source_error": 0.3}
DELIVERIES = ["clean", "web", "hard"]
RECORDS = {"validation": COUNT, "train": COUNT, "few": 60, "photographs": 90}


def records(split):
    """As the run's own, of a name each; split photographs has one class."""
    for record in runs.records("validation", 2 * RECORDS[split]):
        if split != "photographs" or record.label == 0:
            yield record


def photographs_or_half(split):
    kept = list(records(split))
    return kept[: RECORDS[split]]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "more"
    splits = {name: photographs_or_half(name) for name in RECORDS}
    write_dataset(path, "more", splits, {"made_by": "tests"})
    return path


@pytest.fixture(scope="module")
def run(trained, data, tmp_path_factory):
    """The finished run, calibrated: its directory and what ``calibrate`` returned."""
    workdir = tmp_path_factory.mktemp("calibrated") / "run"
    shutil.copytree(trained.workdir, workdir)
    detector = npr_jax.Detector.load(workdir)
    results = calibrate(detector, workdir, data=str(data), split="", **OPTIONS)
    # As the command does.
    step = str(results["checkpoint"]["step"])
    write_together(workdir / "calibration", figure_files(draw(results), step))
    return workdir, results


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for index in range(6):
        Image.fromarray(runs.picture(index, bool(index % 2))).save(folder / f"{index}.png")
    return sorted(map(str, folder.iterdir()))


def delivered(record, quality):
    """64 pixels are below the deliveries' sizes, so only their JPEG is left."""
    pixels = np.frombuffer(record.image, np.uint8).reshape(record.height, record.width, 3)
    if not quality:
        return pixels
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling=2)
    return np.asarray(Image.open(buffer))


@pytest.fixture(scope="module")
def scored(run):
    """Labels, logits [n, 3] and halves of the images that the run was calibrated with."""
    images = photographs_or_half("validation")
    detector = npr_jax.Detector.load(run[0], calibrated=False)
    logits = [detector.logits([delivered(one, q) for one in images]) for q in (0, 75, 40)]
    labels = np.array([image.label for image in images])
    half = halves([image.filename for image in images], labels, 0)
    return labels, np.stack(logits, axis=1).astype(np.float64), half


def quantile(scores, rate):
    """Of n scores and one at infinity, the share of ranks that NumPy's quantile gives."""
    return np.quantile(np.append(scores, np.inf), 1 - rate, method="inverted_cdf")


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits))


def test_the_fit_is_of_all_images_in_all_deliveries(run, scored):
    _, results = run
    labels, logits, _ = scored
    assert (results["n_photographs"], results["n_generated"]) == (120, 120)
    assert results["too_small"] == 0
    # At the minimum of the likelihood its two derivatives are zero.
    z = logits / results["temperature"] + results["bias"]
    targets = np.where(labels == 1, 361 / 362, 1 / 362)[:, None]
    residual = sigmoid(z) - targets
    assert abs(residual.mean()) < 1e-5
    assert abs((residual * logits).mean()) < 1e-4 * np.abs(logits).max()
    # One limit for all deliveries, the strictest; the photographs are all of one source.
    middle = -results["bias"] * results["temperature"]
    highest = max(quantile(scores, 0.05) for scores in logits[labels == 0].T)
    lowest = -max(quantile(-scores, 0.05) for scores in logits[labels == 1].T)
    assert results["generated_from"] == pytest.approx(max(highest, middle), abs=1e-4)
    assert results["photograph_to"] == pytest.approx(min(lowest, middle), abs=1e-4)


def test_either_half_is_judged_by_the_other(run, scored):
    measured = run[1]["measured"]
    labels, logits, half = scored
    assert list(measured["deliveries"]) == DELIVERIES
    said = np.empty(logits.shape)
    for part in (0, 1):
        others = half != part
        fitted = calibration_fit.fit_scaling(np.repeat(labels[others], 3), logits[others].ravel())
        said[~others] = sigmoid(logits[~others] / fitted[0] + fitted[1])
    for number, found in enumerate(measured["deliveries"].values()):
        called = (logits[:, number] > 0) == (labels == 1)
        assert found["before"]["accuracy"] == pytest.approx(called.mean())
        brier = ((said[:, number] - labels) ** 2).mean()
        assert found["after"]["brier"] == pytest.approx(brier, abs=1e-5)
        assert found["verdicts"]["n"] == len(labels)
    brier = ((said - labels[:, None]) ** 2).mean()
    assert measured["after"]["brier"] == pytest.approx(brier, abs=1e-5)
    [source] = measured["sources"]
    assert (source["source"], source["n"]) == ("alpha", 120)
    alarms = {
        name: found["verdicts"]["photographs_called_generated"]
        for name, found in measured["deliveries"].items()
    }
    assert source["called_generated"] == alarms


def test_what_it_is_worth_is_said_for_each_delivery_and_source(run):
    _, results = run
    first, scaling, _, _, *deliveries, sources = in_words(results).splitlines()
    assert first.startswith("split validation of more: 120 photographs and 120 generated images")
    assert f"temperature {results['temperature']:.3g}" in scaling
    assert [line.split(":")[0] for line in deliveries] == DELIVERIES
    for line, found in zip(deliveries, results["measured"]["deliveries"].values(), strict=True):
        alarms = found["verdicts"]["photographs_called_generated"]
        said = f"{alarms} of 120 photographs called generated ({100 * alarms / 120:.1f} %; 95 % "
        assert said in line
    [row] = results["measured"]["sources"]
    assert f"alpha {max(row['called_generated'].values())} of 120 in {row['worst']} (" in sources
    few = results | {"generated_from": None, "target_error": 0.001}
    assert "no image will be called generated: " in in_words(few)
    assert "takes at least 999 of them, there are 120" in in_words(few)


def test_halves_are_dealt_by_name():
    names = [f"{kind}/{number:03d}.png" for kind in ("photo", "fake") for number in range(60)]
    names += [f"photo/only_{number}" for number in range(30)]
    labels = np.repeat([0, 1, 0], [60, 60, 30])
    half = halves(names, labels, 0)
    np.testing.assert_array_equal(half[:60], half[60:120])
    assert half[:60].sum() == 30
    assert half[120:].sum() == 15
    order = np.random.default_rng(0).permutation(len(names))
    np.testing.assert_array_equal(halves([names[i] for i in order], labels[order], 0), half[order])
    assert (halves(names, labels, 1) != half).any()


def held_out(record, seed, fraction):
    """The rule of docs/data.md: the first 8 bytes of SHA-256 of seed, a zero byte, file name."""
    digest = hashlib.sha256(f"{seed}\0{record.filename}".encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64 < fraction


def held_out_run(run, fraction=0.5, **changes):
    """The run as if it had held out that share of its training images."""
    detector = npr_jax.Detector.load(run[0])
    detector.config = detector.config.copy_and_resolve_references()
    changes = {"validation_split": "", "validation_fraction": fraction} | changes
    detector.config.data.update(changes)
    return detector


def test_data_without_a_validation_split_give_what_the_run_holds_out_of_them(run, tmp_path):
    """Of a part of what it was trained on, what it held out of the whole."""
    pictures = list(runs.records("train", COUNT))
    expected = [one.label for one in pictures if held_out(one, 0, 0.5)]
    write_dataset(tmp_path / "pictures", "pictures", {"train": pictures}, {"made_by": "tests"})
    detector = held_out_run(run)
    detector.training_data["train_data"] = "pictures+pairs"
    workdir, path = tmp_path / "run", str(tmp_path / "pictures")
    results = calibrate(detector, workdir, data=path, split="", **OPTIONS)
    assert results["n_generated"] == sum(expected)
    assert results["n_photographs"] == len(expected) - sum(expected)
    assert results["meta"]["images"] == (
        "the images of pictures that the run holds out of split train by their names"
    )
    with pytest.raises(ValueError, match="is what the run was trained on"):
        calibrate(detector, workdir, data=path, split="train", **OPTIONS)
    detector = held_out_run(run, validation_split="validation")
    with pytest.raises(ValueError, match="--split is 'validation'; the data set has train"):
        calibrate(detector, workdir, data=path, split="", **OPTIONS)


def test_an_image_that_one_delivery_makes_too_small_counts_in_none(run, tmp_path):
    """`hard` makes the long side 512 pixels, which leaves fewer than 32 of a narrow picture."""
    narrow = np.random.default_rng(0).integers(0, 256, (36, 700, 3), np.uint8)
    more = ImageRecord(narrow.tobytes(), "decoded", 36, 700, 0, "alpha", "narrow.png")
    images = [*photographs_or_half("validation"), more]
    write_dataset(tmp_path / "more", "more", {"validation": images}, {"made_by": "tests"})
    detector = npr_jax.Detector.load(run[0])
    path = str(tmp_path / "more")
    results = calibrate(detector, tmp_path / "run", data=path, split="", **OPTIONS)
    assert (results["too_small"], results["n_photographs"]) == (1, 120)
    assert "; 1 images could not be scored" in in_words(results)


def test_it_is_kept_with_the_checkpoint(run, trained):
    workdir, results = run
    [step] = {int(path.stem) for path in (workdir / "calibration").glob("*.json")}
    assert step in runs.checkpoint_steps(workdir)
    folder = workdir / "calibration"
    assert {path.name for path in folder.iterdir()} == {
        f"{step}.csv",
        f"{step}.json",
        f"{step}.svg",
        f"{step}.png",
    }
    assert json.loads((folder / f"{step}.json").read_text()) == results
    assert results["checkpoint"]["step"] == step
    assert results["checkpoint"]["hash"] == calibration_file.fingerprint(
        npr_jax.Detector.load(trained.workdir).model
    )


def test_the_logits_that_it_was_fitted_to_lie_beside_it(run, scored):
    [path] = (run[0] / "calibration").glob("*.csv")
    columns, rows = read_csv(path)
    assert columns == ["filename", "source", "label", "clean", "web", "hard"]
    labels, logits, _ = scored
    assert [int(row["label"]) for row in rows] == labels.tolist()
    found = [[float(row[delivery]) for delivery in columns[3:]] for row in rows]
    np.testing.assert_allclose(found, logits, atol=2e-4)


def test_scores_and_verdicts_are_calibrated(run, files, tmp_path, capsys):
    workdir, kept = run
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


def test_a_confidence_overrides_the_band(run, files):
    detector = npr_jax.Detector.load(run[0])
    assert {r.verdict for r in detector.score(files, confidence=1 - 1e-12)} == {"unsure"}
    for result in detector.score(files, confidence=0.5):
        assert result.verdict == ("generated" if result.score >= 0.5 else "photograph")


@pytest.fixture
def copied(run, tmp_path):
    """A copy of the calibrated run, its calibration file and what is in it."""
    workdir = tmp_path / "run"
    shutil.copytree(run[0], workdir)
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
        ({"preprocessing": "nativ size"}, "is no calibration .*'nativ size' is not known"),
        ({"preprocessing": {"blur": 1}}, "is no calibration .*'blur'"),
        ({"temperature": None}, None),
    ],
)
def test_a_calibration_that_does_not_fit_is_refused_and_never_dropped(copied, changes, message):
    """Without it, another verdict would be given than yesterday, and nobody would see why."""
    workdir, path, content = copied
    path.write_text(json.dumps(content | changes) if message else "{}")
    with pytest.raises(ValueError, match=f"(?s){message or 'is no calibration'}.*delete it"):
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


def test_other_preprocessing_afterwards_is_another_detector(run):
    detector = npr_jax.Detector.load(run[0])
    assert detector.calibration is not None
    way = dataclasses.replace(detector.preprocessing, resize=48)  # as --resize=protocol does
    other = detector.with_preprocessing(way)
    assert other.calibration is None
    assert "its calibration is for images prepared otherwise: native size" in (
        other.calibration_in_words
    )
    assert detector.calibration is not None
    assert detector.with_preprocessing(detector.preprocessing).calibration is detector.calibration


def test_an_ensemble_is_not_calibrated(run, files, capsys):
    members = [npr_jax.Detector.load(run[0]) for _ in range(2)]
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
    run, trained, tiny_data, tmp_path, capsys
):
    detector = npr_jax.Detector.load(run[0])
    dataset = MixedDataset.load([tiny_data])
    results = evaluate_run(detector, detector.config, dataset, tmp_path)
    assert "calibrated verdicts" in capsys.readouterr().out
    assert [row["generator"] for row in results["verdicts"]] == ["alpha", "beta", "gamma"]
    [path] = (trained.workdir / "evaluation").glob("*/results.json")
    raw = json.loads(path.read_text())
    assert raw["verdicts"] is None
    assert results["mean"] == pytest.approx(raw["mean"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "train"}, "is what the run was trained on"),
        ({"split": "few"}, "each needs at least 20"),
        ({"split": "photographs"}, "one half has 45 photographs and 0 generated"),
        ({"split": "absent"}, "--split is 'absent'; the data set has few"),
        ({"target_error": 0.5}, r"--target_error=0\.5; expected above 0 and below 0\.5"),
        ({"source_error": 0.0}, r"--source_error=0\.0; expected above 0 and below 0\.5"),
        ({"data": "", "split": ""}, "the validation images of tiny: one half has 3"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(run, data, tmp_path, options, message):
    detector = npr_jax.Detector.load(run[0])
    if options.get("split") == "train":
        detector.training_data["train_data"] = "more"
    with pytest.raises(ValueError, match=message):
        calibrate(
            detector, tmp_path, **({"data": str(data), "split": "validation"} | OPTIONS | options)
        )
    assert list(tmp_path.iterdir()) == []
