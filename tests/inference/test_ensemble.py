"""Several runs as one detector: the mean of what each says by itself."""

import csv
import dataclasses
import json

import numpy as np
import pytest
from flax import nnx
from PIL import Image

import npr_jax
from configs import default
from input_pipeline.images.preprocessing import Preprocessing
from npr_jax.cli.detector_flags import workdirs_of
from npr_jax.evaluation.evaluate import mean_scores
from npr_jax.evaluation.tables import Scores
from npr_jax.inference.ensemble import Ensemble
from npr_jax.models.systems.registry import build_model
from tests import runs


def member(seed, **preprocessing):
    config = default.get_model()
    config.backbone = "thin_resnet"
    model = build_model(config, nnx.Rngs(params=seed))
    return npr_jax.Detector(model, Preprocessing(**preprocessing), source=f"seed {seed}")


@pytest.fixture(scope="module")
def ensemble():
    return Ensemble([member(0), member(1, resize=48), member(2, crop=40)])


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    for index in range(3):
        Image.fromarray(runs.picture(index, bool(index % 2), side=64)).save(folder / f"{index}.png")
    (folder / "notes.txt").write_text("no image")
    return sorted(folder.iterdir())


def test_scores_are_of_the_mean_logit_each_member_with_its_own_preprocessing(ensemble, files):
    results = ensemble.score(files, confidence=0.5)
    alone = [m.score(files) for m in ensemble.members]
    for place, result in enumerate(results[:3]):
        scores = np.array([part[place].score for part in alone], np.float64)
        assert np.ptp(scores) > 1e-6
        odds = np.prod(scores / (1 - scores)) ** (1 / 3)
        assert result.score == pytest.approx(odds / (1 + odds), abs=1e-5)
        assert result.verdict == ("generated" if result.score >= 0.5 else "photograph")
    assert (results[3].score, results[3].error) == (None, "not an image of a known format")
    assert ensemble.preprocessing_in_words.startswith(
        "each member's own: native size, sides cut to multiples of 2 pixels; squashed to 48x48"
    )


def test_logits_are_the_members_mean(ensemble):
    images = [runs.picture(i, False) for i in range(3)]
    expected = np.mean([m.logits(images) for m in ensemble.members], axis=0)
    np.testing.assert_allclose(ensemble.logits(iter(images)), expected, rtol=0, atol=1e-6)


def test_members_that_scored_different_images_are_refused():
    scores = Scores(
        labels=np.array([0, 1]),
        logits=np.array([1.0, 3.0], np.float32),
        generators=np.array(["a", "b"]),
        filenames=np.array(["x", "y"]),
    )
    other = dataclasses.replace(scores, logits=np.array([-2.0, 5.0], np.float32))
    np.testing.assert_allclose(mean_scores([scores, other]).logits, [-0.5, 4.0])
    with pytest.raises(ValueError, match="different images"):
        mean_scores([scores, dataclasses.replace(other, filenames=np.array(["x", "z"]))])


def test_names_of_runs(tmp_path):
    assert workdirs_of("a") == ["a"]
    assert workdirs_of("a, b") == ["a", "b"]
    odd = tmp_path / "lr,0.1"
    odd.mkdir()
    assert workdirs_of(str(odd)) == [str(odd)]
    with pytest.raises(ValueError, match="a comma with no path beside it"):
        workdirs_of("a,,b")
    with pytest.raises(ValueError, match="names a run twice"):
        workdirs_of("a,./a")
    with pytest.raises(ValueError, match="at least two"):
        Ensemble([member(0)])


@pytest.mark.slow
def test_commands_take_several_workdirs(trained, tiny_data, files, tmp_path):
    """Evaluation and prediction of two runs are the means of the runs' own."""
    other = tmp_path / "other"
    runs.main(*runs.train_arguments(tiny_data, other, seed=5))
    workdirs = f"--workdir={trained.workdir},{other}"
    refused = runs.main("evaluate", workdirs, status=2)
    assert "give --output=DIR" in refused.stderr
    runs.main("evaluate", workdirs, f"--output={tmp_path / 'both'}")
    logits = []
    for workdir in (trained.workdir, other, tmp_path / "both"):
        [path] = (workdir / "evaluation").glob("*/scores.csv")
        with open(path, newline="") as file:
            logits.append([float(row["logit"]) for row in csv.DictReader(file)])
    np.testing.assert_allclose(logits[2], np.mean(logits[:2], axis=0), rtol=0, atol=1e-5)
    [results] = (tmp_path / "both" / "evaluation").glob("*/results.json")
    meta = json.loads(results.read_text())["meta"]
    assert meta["model"] == "ensemble of npr, npr"
    assert (tmp_path / "both" / "report.html").is_file()
    table = tmp_path / "scores.csv"
    runs.main("predict", workdirs, files[0], f"--output={table}")
    with open(table, newline="") as file:
        [row] = csv.DictReader(file)
    detector = npr_jax.Ensemble.load([trained.workdir, other])
    assert float(row["score"]) == pytest.approx(detector.score(files[:1])[0].score, abs=1e-5)
