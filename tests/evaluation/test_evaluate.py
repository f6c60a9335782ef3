"""What a run's evaluation says, against numpy and scikit-learn on its own scores."""

import csv
import hashlib
import json
import shutil

import numpy as np
import pytest
from flax import nnx
from safetensors.numpy import load_file, save_file
from sklearn import metrics

import npr_jax
from configs import spectrum
from input_pipeline.errors import UserError
from input_pipeline.images.preprocessing import Preprocessing
from input_pipeline.loading.mixture import MixedDataset
from npr_jax.cli import main
from npr_jax.detectors.card import card_text
from npr_jax.evaluation.evaluate import check_place, describe, evaluate_run, evaluation_name
from npr_jax.inference.ensemble import Ensemble
from npr_jax.models.systems.registry import build_model
from tests import runs, trees


@pytest.fixture(scope="module")
def evaluation(trained):
    [directory] = (trained.workdir / "evaluation").iterdir()
    with open(directory / "scores.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return json.loads((directory / "results.json").read_text()), rows


def expected_images():
    return {r.filename: r for r in runs.records("test", runs.SPLITS["test"])}


def test_every_test_image_is_scored_once(evaluation):
    """23 images: a multiple of no batch, no row count and no number of devices."""
    _, rows = evaluation
    images = expected_images()
    assert [row["filename"] for row in rows] == list(images)
    for row in rows:
        image = images[row["filename"]]
        assert (int(row["label"]), row["generator"]) == (image.label, image.generator)


def test_scores_are_the_detectors(evaluation, trained):
    _, rows = evaluation
    detector = npr_jax.Detector.load(trained.workdir)
    images = expected_images().values()
    logits = detector.logits(
        np.frombuffer(r.image, np.uint8).reshape(r.height, r.width, 3) for r in images
    )
    np.testing.assert_allclose([float(row["logit"]) for row in rows], logits, rtol=0, atol=1e-5)
    probabilities = 1 / (1 + np.exp(-logits.astype(np.float64)))
    np.testing.assert_allclose([float(row["probability"]) for row in rows], probabilities, 1e-5)


def test_the_data_set_itself_says_that_it_is_simulated(trained, tiny_data, tmp_path):
    """Not the config: the runs of a sweep name the directory of their simulation there."""
    detector = npr_jax.Detector.load(trained.workdir)
    path = shutil.copytree(tiny_data, tmp_path / "data")
    for maker, simulated in (("tests", False), ("simulation", True)):
        info = json.loads((path / "dataset.json").read_text()) | {"made_by": maker}
        (path / "dataset.json").write_text(json.dumps(info))
        meta = describe(detector, runs.tiny_config(path), MixedDataset.load([path]), seconds=0)
        assert meta["simulated"] is simulated


def test_table_equals_scikit_learn(evaluation):
    results, rows = evaluation
    labels = np.array([int(row["label"]) for row in rows])
    logits = np.array([float(row["logit"]) for row in rows])
    generators = np.array([row["generator"] for row in rows])
    photographs = labels == 0
    table = {row["generator"]: row for row in results["generators"]}
    assert set(table) == {"alpha", "beta", "gamma"}
    for name, row in table.items():
        chosen = photographs | ((generators == name) & (labels == 1))
        truth, score = labels[chosen], logits[chosen]
        called = (score > 0).astype(int)
        tn, fp, fn, tp = metrics.confusion_matrix(truth, called, labels=[0, 1]).ravel()
        assert row["confusion"] == {"tn": tn, "fp": fp, "fn": fn, "tp": tp}
        assert row["n_photographs"] == photographs.sum()
        assert row["accuracy"] == pytest.approx(metrics.accuracy_score(truth, called))
        assert row["ap"] == pytest.approx(metrics.average_precision_score(truth, score))
        assert row["auc"] == pytest.approx(metrics.roc_auc_score(truth, score))
    for metric in ("accuracy", "ap", "auc"):
        mean = np.mean([row[metric] for row in table.values()])
        assert results["mean"][metric] == pytest.approx(mean)


def test_results_say_what_they_were_made_with(evaluation):
    meta = evaluation[0]["meta"]
    [front_end] = meta["front_ends"]
    assert (meta["model"], front_end["factor"], front_end["mode"]) == ("npr", 0.5, "nearest")
    assert (meta["data"], meta["split"], meta["delivery"]) == ("tiny", "test", "clean")
    assert meta["train_images"] == runs.SPLITS["train"]
    assert meta["seed"] == 0


def test_delivery_reaches_the_scores(trained, tiny_data, tmp_path, capsys):
    detector = npr_jax.Detector.load(trained.workdir)
    config = detector.config.copy_and_resolve_references()
    config.data.delivery = "hard"
    results = evaluate_run(detector, config, MixedDataset.load([tiny_data]), tmp_path)
    assert "gamma" in capsys.readouterr().out
    [path] = (tmp_path / "evaluation").glob("*hard*/results.json")
    assert json.loads(path.read_text()) == results
    with open(path.parent / "scores.csv", newline="") as file:
        hard = [float(row["logit"]) for row in csv.DictReader(file)]
    [clean] = (trained.workdir / "evaluation").glob("*/scores.csv")
    with open(clean, newline="") as file:
        assert hard != [float(row["logit"]) for row in csv.DictReader(file)]


def test_a_generator_without_photographs_is_named(trained, tmp_path, capsys):
    for index, name in enumerate(("a/0_real/1.png", "a/1_fake/2.png", "b/1_fake/3.png")):
        trees.save(tmp_path / "tree" / name, index, (64, 64))
    trees.prepare(tmp_path / "tree", tmp_path / "data", storage="decoded", image_size=0)
    detector = npr_jax.Detector.load(trained.workdir)
    evaluate_run(detector, detector.config, MixedDataset.load([tmp_path / "data"]), tmp_path)
    assert "WARNING: b has no photographs" in capsys.readouterr().out


def test_facts_of_every_image_are_kept(trained):
    [directory] = (trained.workdir / "evaluation").iterdir()
    with open(directory / "facts.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    images = expected_images()
    assert [row["filename"] for row in rows] == list(images)
    for row in rows:
        pixels = np.frombuffer(images[row["filename"]].image, np.uint8).reshape(-1, 3)
        luma = pixels @ np.array((0.299, 0.587, 0.114))
        assert float(row["brightness"]) == pytest.approx(luma.mean(), abs=0.5)
        assert (row["height"], row["width"]) == (str(runs.SIDE), str(runs.SIDE))
        assert row["format"] == row["jpeg_quality"] == ""


def test_mistakes_and_as_many_samples_as_asked_are_kept(trained, tiny_data, tmp_path):
    """The threshold is moved so far that every photograph is a mistake."""
    detector = npr_jax.Detector.load(trained.workdir)
    head = detector.model.classifier
    head.bias[...] = head.bias[...] + 1000
    detector = npr_jax.Detector(detector.model, source="shifted")
    config = runs.tiny_config(tiny_data)
    dataset = MixedDataset.load([tiny_data])
    evaluate_run(detector, config, dataset, tmp_path, samples=3)
    [directory] = (tmp_path / "evaluation").iterdir()
    images = list(expected_images().values())
    with open(directory / "scores.csv", newline="") as file:
        logits = [float(row["logit"]) for row in csv.DictReader(file)]
    wrong = [row for row, image in enumerate(images) if image.label == 0]
    expected = sorted(wrong, key=lambda row: -logits[row])[:6]
    with np.load(directory / "mistakes.npz") as file:
        assert file["rows"].tolist() == expected
        for row in expected:
            np.testing.assert_array_equal(
                file[f"image_{row}"].ravel(), np.frombuffer(images[row].image, np.uint8)
            )
    with np.load(directory / "samples.npz") as file:
        kinds = list(zip(file["generators"].tolist(), file["labels"].tolist(), strict=True))
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        ("alpha", 0): 3,
        ("alpha", 1): 3,
        ("beta", 1): 3,
        ("gamma", 1): 3,
    }


def test_each_preprocessing_and_checkpoint_has_a_folder_of_its_own(trained, tiny_data):
    config, dataset = runs.tiny_config(tiny_data), MixedDataset.load([tiny_data])
    best = npr_jax.Detector.load(trained.workdir)
    last = npr_jax.Detector.load(trained.workdir, checkpoint="last")
    assert evaluation_name(best, config, dataset) == "tiny-test-native-clean"
    assert evaluation_name(last, config, dataset) == "tiny-test-native-clean-last"
    assert evaluation_name(last, config, dataset, delivery=False) == "tiny-test-native-last"
    way = Preprocessing(resize=64, crop=48, jpeg_quality=75)
    other = best.with_preprocessing(way)
    assert evaluation_name(other, config, dataset) == "tiny-test-squash64-crop48-clean-reencoded"
    # What the network needs goes without saying, even edges of one without a grid do not.
    plain = build_model(spectrum.get_config().model, nnx.Rngs(params=0))
    for multiple, name in ((1, "tiny-test-native-clean"), (2, "tiny-test-native-even-clean")):
        detector = npr_jax.Detector(plain, Preprocessing(multiple_of=multiple), source="test")
        assert evaluation_name(detector, config, dataset) == name
    assert evaluation_name(Ensemble([best, best]), config, dataset) == "tiny-test-native-clean"
    assert evaluation_name(Ensemble([best, other]), config, dataset) == "tiny-test-mixed-clean"


def other_detectors(packed, folder):
    """The packed one under another version, and with other weights under its own."""
    renamed, changed = (shutil.copytree(packed, folder / name) for name in ("renamed", "changed"))
    said = json.loads((packed / "tiny.json").read_text())
    (renamed / "tiny.json").write_text(card_text(said | {"version": "2.0"}))
    weights = changed / "tiny.safetensors"
    arrays = {k: v * np.float32(0.5) for k, v in load_file(weights).items()}
    save_file(arrays, weights)
    said["weights"] |= {"sha256": hashlib.sha256(weights.read_bytes()).hexdigest()}
    (changed / "tiny.json").write_text(card_text(said))
    return renamed, changed


@pytest.mark.parametrize("command", [["evaluate"], ["robustness", "--transformations=clean"]])
def test_results_of_other_weights_are_not_overwritten(command, packed, tiny_data, tmp_path, capsys):
    to = [f"--data={tiny_data}", f"--output={tmp_path / 'results'}"]
    for _ in range(2):
        assert main.run([*command, f"--weights={packed}", *to]) == 0
    [kept] = (tmp_path / "results").glob("*/*/scores.csv")
    before = kept.read_bytes()
    for other in other_detectors(packed, tmp_path):
        capsys.readouterr()
        assert main.run([*command, f"--weights={other}", *to]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert line.startswith(f"error: {kept.parent} holds the results of tiny 1.0; give another")
        assert kept.read_bytes() == before


def test_published_weights_are_known_by_their_numbers_not_their_path(reference_inputs, tmp_path):
    one, moved, other = (tmp_path / f"{name}.safetensors" for name in ("one", "moved", "other"))
    for path, seed in ((one, 0), (moved, 0), (other, 1)):
        save_file(reference_inputs.make_weights(seed), path)
    detector = npr_jax.Detector.from_weights(one)
    meta = {"weights": detector.source, "weights_sha256": detector.weights_sha256}
    (tmp_path / "results.json").write_text(json.dumps({"meta": meta}))
    check_place(tmp_path, npr_jax.Detector.from_weights(moved))
    with pytest.raises(UserError, match=r"holds the results of .*one\.safetensors"):
        check_place(tmp_path, npr_jax.Detector.from_weights(other))
    # As earlier versions wrote them.
    (tmp_path / "results.json").write_text(json.dumps({"meta": {"weights": detector.source}}))
    check_place(tmp_path, detector)
    with pytest.raises(UserError, match="holds the results of"):
        check_place(tmp_path, npr_jax.Detector.from_weights(moved))
