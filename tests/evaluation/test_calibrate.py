"""``calibrate`` on a finished run: what it fits, measures, says and keeps."""

import hashlib
import io
import json

import numpy as np
import pytest
from PIL import Image

import npr_jax
from input_pipeline.storage.csv_files import read_csv
from input_pipeline.storage.dataset_writer import write_dataset
from input_pipeline.storage.records import ImageRecord
from npr_jax.detectors import calibration_file
from npr_jax.evaluation import calibration_fit
from npr_jax.evaluation.calibrate import calibrate, halves
from npr_jax.evaluation.calibration_words import in_words
from tests import runs
from tests.evaluation.calibrations import COUNT, OPTIONS, photographs_or_half

DELIVERIES = ["clean", "web", "hard"]


def delivered(record, quality):
    """64 pixels are below the deliveries' sizes, so only their JPEG is left."""
    pixels = np.frombuffer(record.image, np.uint8).reshape(record.height, record.width, 3)
    if not quality:
        return pixels
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality, subsampling=2)
    return np.asarray(Image.open(buffer))


@pytest.fixture(scope="module")
def scored(calibrated):
    """Labels, logits [n, 3] and halves of the images that the run was calibrated with."""
    images = photographs_or_half("validation")
    detector = npr_jax.Detector.load(calibrated[0], calibrated=False)
    logits = [detector.logits([delivered(one, q) for one in images]) for q in (0, 75, 40)]
    labels = np.array([image.label for image in images])
    half = halves([image.filename for image in images], labels, 0)
    return labels, np.stack(logits, axis=1).astype(np.float64), half


def quantile(scores, rate):
    """Of n scores and one at infinity, the share of ranks that NumPy's quantile gives."""
    return np.quantile(np.append(scores, np.inf), 1 - rate, method="inverted_cdf")


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits))


def test_the_fit_is_of_all_images_in_all_deliveries(calibrated, scored):
    _, results = calibrated
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


def test_either_half_is_judged_by_the_other(calibrated, scored):
    measured = calibrated[1]["measured"]
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


def test_what_it_is_worth_is_said_for_each_delivery_and_source(calibrated):
    _, results = calibrated
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


def held_out_run(calibrated, fraction=0.5, **changes):
    """The run as if it had held out that share of its training images."""
    detector = npr_jax.Detector.load(calibrated[0])
    detector.config = detector.config.copy_and_resolve_references()
    changes = {"validation_split": "", "validation_fraction": fraction} | changes
    detector.config.data.update(changes)
    return detector


def test_data_without_a_validation_split_give_what_the_run_holds_out_of_them(calibrated, tmp_path):
    """Of a part of what it was trained on, what it held out of the whole."""
    pictures = list(runs.records("train", COUNT))
    expected = [one.label for one in pictures if held_out(one, 0, 0.5)]
    write_dataset(tmp_path / "pictures", "pictures", {"train": pictures}, {"made_by": "tests"})
    detector = held_out_run(calibrated)
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
    detector = held_out_run(calibrated, validation_split="validation")
    with pytest.raises(ValueError, match="--split is 'validation'; the data set has train"):
        calibrate(detector, workdir, data=path, split="", **OPTIONS)


def test_an_image_that_one_delivery_makes_too_small_counts_in_none(calibrated, tmp_path):
    """`hard` makes the long side 512 pixels, which leaves fewer than 32 of a narrow picture."""
    narrow = np.random.default_rng(0).integers(0, 256, (36, 700, 3), np.uint8)
    more = ImageRecord(narrow.tobytes(), "decoded", 36, 700, 0, "alpha", "narrow.png")
    images = [*photographs_or_half("validation"), more]
    write_dataset(tmp_path / "more", "more", {"validation": images}, {"made_by": "tests"})
    detector = npr_jax.Detector.load(calibrated[0])
    path = str(tmp_path / "more")
    results = calibrate(detector, tmp_path / "run", data=path, split="", **OPTIONS)
    assert (results["too_small"], results["n_photographs"]) == (1, 120)
    assert "; 1 images could not be scored" in in_words(results)


def test_it_is_kept_with_the_checkpoint(calibrated, trained):
    workdir, results = calibrated
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


def test_the_logits_that_it_was_fitted_to_lie_beside_it(calibrated, scored):
    [path] = (calibrated[0] / "calibration").glob("*.csv")
    columns, rows = read_csv(path)
    assert columns == ["filename", "source", "label", "clean", "web", "hard"]
    labels, logits, _ = scored
    assert [int(row["label"]) for row in rows] == labels.tolist()
    found = [[float(row[delivery]) for delivery in columns[3:]] for row in rows]
    np.testing.assert_allclose(found, logits, atol=2e-4)


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
def test_what_cannot_be_calibrated_is_refused(
    calibrated, calibration_data, tmp_path, options, message
):
    detector = npr_jax.Detector.load(calibrated[0])
    if options.get("split") == "train":
        detector.training_data["train_data"] = "more"
    with pytest.raises(ValueError, match=message):
        calibrate(
            detector,
            tmp_path,
            **({"data": str(calibration_data), "split": "validation"} | OPTIONS | options),
        )
    assert list(tmp_path.iterdir()) == []
