"""A test split in every transformation: against ``evaluate``, PIL and scikit-learn."""

import csv
import io
import json
import sys

import numpy as np
import pytest
from flax import nnx
from PIL import Image
from sklearn import metrics

import npr_jax
from configs import default
from input_pipeline.images.degradations import transformations
from input_pipeline.images.preprocessing import Preprocessing
from input_pipeline.loading.mixture import MixedDataset
from input_pipeline.storage.atomic_files import write_together
from npr_jax.analysis.figures.robustness import draw
from npr_jax.analysis.figures.style import figure_files
from npr_jax.cli import main
from npr_jax.evaluation.evaluate import evaluate_run
from npr_jax.evaluation.robustness import measure_robustness
from npr_jax.inference.ensemble import Ensemble
from npr_jax.models.systems.registry import build_model
from tests import runs


def detector_of(seed, **preprocessing):
    config = default.get_model()
    config.backbone = "thin_resnet"
    model = build_model(config, nnx.Rngs(params=seed))
    return npr_jax.Detector(model, Preprocessing(**preprocessing), source=f"seed {seed}")


@pytest.fixture(scope="module")
def detector():
    return detector_of(0)


@pytest.fixture(scope="module")
def dataset(tiny_data):
    return MixedDataset.load([tiny_data])


@pytest.fixture(scope="module")
def config(tiny_data):
    return runs.tiny_config(tiny_data)


@pytest.fixture(scope="module")
def measured(detector, config, dataset, tmp_path_factory):
    """The folder of jpeg, resize and noise, and its results."""
    workdir = tmp_path_factory.mktemp("robustness")
    chosen = transformations("jpeg,resize,noise")
    results = measure_robustness(
        detector, config, dataset, workdir, chosen, chosen="jpeg,resize,noise"
    )
    folder = workdir / "robustness" / "tiny-test-native-jpeg-resize-noise"
    write_together(folder, figure_files(draw(results), "robustness"))  # as the command does
    return folder, results


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def pictures():
    return {
        r.filename: np.frombuffer(r.image, np.uint8).reshape(r.height, r.width, 3)
        for r in runs.records("test", runs.SPLITS["test"])
    }


def test_clean_equals_evaluate(measured, detector, config, dataset, tmp_path, capsys):
    folder, results = measured
    expected = evaluate_run(detector, config, dataset, tmp_path)
    [scored] = tmp_path.glob("evaluation/*/scores.csv")
    mine = {row["filename"]: float(row["clean"]) for row in table(folder / "scores.csv")}
    for row in table(scored):
        assert mine[row["filename"]] == pytest.approx(float(row["logit"]), abs=1e-5)
    for name in ("generators", "mean"):
        rows = expected[name] if name == "generators" else [expected[name]]
        kind = "generator" if name == "generators" else "mean"
        clean = [r for r in results["rows"] if (r["kind"], r["transformation"]) == (kind, "clean")]
        for row, theirs in zip(clean, rows, strict=True):
            for key in ("auc", "ap", "real_accuracy", "fake_accuracy"):
                assert row[key] == pytest.approx(theirs[key], abs=1e-6), key
            balanced = (theirs["real_accuracy"] + theirs["fake_accuracy"]) / 2
            assert row["balanced_accuracy"] == pytest.approx(balanced)


def test_a_terminal_sees_how_far_the_scoring_has_come(
    detector, config, dataset, tmp_path, monkeypatch, capsys
):
    """The test images as they are and with five strengths of noise; then as they are alone."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    count = len(pictures())
    measure_robustness(detector, config, dataset, tmp_path, transformations("noise"))
    assert f" {6 * count}/{6 * count} " in capsys.readouterr().err
    evaluate_run(detector, config, dataset, tmp_path)
    assert f" {count}/{count} " in capsys.readouterr().err


def test_scores_are_those_of_pils_pixels(measured, detector):
    folder, _ = measured
    rows = {row["filename"]: row for row in table(folder / "scores.csv")}
    by_label = {"jpeg 30": [], "resize_bicubic 0.5": []}
    for pixels in pictures().values():
        image, buffer = Image.fromarray(pixels), io.BytesIO()
        image.save(buffer, "JPEG", quality=30, subsampling=2)
        by_label["jpeg 30"].append(np.asarray(Image.open(buffer)))
        half = image.resize((32, 32), Image.Resampling.BICUBIC)
        by_label["resize_bicubic 0.5"].append(np.asarray(half))
    for label, images in by_label.items():
        expected = detector.logits(images)
        found = [float(rows[name][label]) for name in pictures()]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_measures_are_scikit_learns(measured):
    folder, results = measured
    rows = table(folder / "scores.csv")
    photographs = [row for row in rows if row["label"] == "0"]
    for label in ("jpeg 60", "noise 8", "resize_lanczos 2"):
        family, strength = label.split()
        mine = [row for row in rows if row["label"] == "1" and row["generator"] == "beta"]
        logits = np.array([float(row[label]) for row in photographs + mine])
        truth = np.repeat([0, 1], [len(photographs), len(mine)])
        [row] = [
            r
            for r in results["rows"]
            if (r["transformation"], r["strength"], r["generator"]) == (family, strength, "beta")
        ]
        assert row["auc"] == pytest.approx(metrics.roc_auc_score(truth, logits))
        assert row["ap"] == pytest.approx(metrics.average_precision_score(truth, logits))
        balanced = metrics.balanced_accuracy_score(truth, logits > 0)
        assert row["balanced_accuracy"] == pytest.approx(balanced)
        assert (row["n_photographs"], row["n_generated"]) == (len(photographs), len(mine))


def test_the_shift_is_that_of_the_photographs_in_units_of_their_spread(measured):
    folder, results = measured
    photographs = [row for row in table(folder / "scores.csv") if row["label"] == "0"]
    clean, changed = (
        np.array([float(row[label]) for row in photographs]) for label in ("clean", "jpeg 30")
    )
    shifts = {
        (row["transformation"], row["strength"]): row["photograph_shift"]
        for row in results["rows"]
        if row["kind"] == "mean"
    }
    expected = (changed - clean).mean() / clean.std(ddof=1)
    assert shifts["jpeg", "30"] == pytest.approx(expected, abs=1e-4)
    assert shifts["clean", ""] == 0
    assert shifts["resize_bilinear", "0.25"] is None  # too small to be scored


def test_images_that_become_too_small_are_reported(measured, capsys):
    """A quarter of 64 pixels is 16, and 32 are needed."""
    folder, results = measured
    [row] = [
        r
        for r in results["rows"]
        if (r["kind"], r["transformation"], r["strength"]) == ("mean", "resize_bilinear", "0.25")
    ]
    assert row["n_not_scored"] == runs.SPLITS["test"]
    assert row["auc"] is None
    assert results["not_scored"]["resize_bilinear 0.25"] == {"too small": runs.SPLITS["test"]}
    missing = table(folder / "not_scored.csv")
    assert len(missing) == 3 * runs.SPLITS["test"], "with each of three filters"
    assert "16x16 pixels, at least 32x32 needed" in missing[0]["reason"]
    assert {row["kind"] for row in missing} == {"too small"}
    assert all(row["resize_bilinear 0.25"] == "" for row in table(folder / "scores.csv"))


def test_a_folder_holds_tidy_rows_figures_and_how_they_were_made(measured):
    folder, results = measured
    assert json.loads((folder / "results.json").read_text()) == results
    tidy = table(folder / "robustness.csv")
    assert len(tidy) == len(results["rows"]) == (1 + 8 + 18 + 5) * 4
    assert list(tidy[0])[:4] == ["kind", "transformation", "strength", "generator"]
    assert (folder / "robustness.svg").read_text().count("resized, Lanczos") == 1
    with Image.open(folder / "robustness.png") as image:
        assert image.size[0] > 1000
    assert results["meta"]["data"] == "tiny"
    assert not list(folder.glob(".*")), "nothing half-written is left"


def test_members_score_by_their_own_preprocessing_and_are_averaged(config, dataset, tmp_path):
    chosen = transformations("grey")
    members = [detector_of(0), detector_of(1, resize=48)]
    logits = {}
    for name, scorer in (("both", Ensemble(members)), *zip("ab", members, strict=True)):
        measure_robustness(scorer, config, dataset, tmp_path / name, chosen)
        [path] = (tmp_path / name).glob("robustness/*/scores.csv")
        logits[name] = np.array([float(row["grey"]) for row in table(path)])
    np.testing.assert_allclose(logits["both"], (logits["a"] + logits["b"]) / 2, rtol=0, atol=1e-5)


def test_flags_that_cannot_be_used(capsys):
    for flag, message in (
        ("--transformations=jpeg,fax", "there is no 'fax'"),
        ("--delivery=web", "--transformations=delivery"),
    ):
        assert main.run(["robustness", flag]) == 2
        assert message in capsys.readouterr().err
