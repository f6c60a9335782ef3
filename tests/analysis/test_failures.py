"""Mistakes: which are kept, what predicts them, and that nothing is said where nothing does."""

import csv

import numpy as np
import pytest
from PIL import Image

from npr_jax.analysis.failures import find_failures
from npr_jax.analysis.page.render import render
from npr_jax.analysis.report import build_report
from npr_jax.analysis.run_results import read_run
from npr_jax.evaluation.mistakes import most_confident, reduced
from npr_jax.evaluation.results import Scores, write_evaluation

COUNT = 120


def planted(folder, effect, *, seed=0, mistakes=True):
    """Two generators and photographs; blurred images are mistaken more often, by the effect."""
    rng = np.random.default_rng(seed)
    generators = np.repeat(["photographs", "a", "b", "control"], COUNT)
    labels = (generators != "photographs").astype(int)
    blur = rng.normal(size=len(labels))
    wrong = rng.random(len(labels)) < 1 / (1 + np.exp(1 - effect * blur))
    logits = np.where(wrong, -1, 1) * np.where(labels, 1, -1) * rng.uniform(0.5, 5, len(labels))
    scores = Scores(labels, logits, generators, [f"{g}/{i}" for i, g in enumerate(generators)])
    sides = rng.integers(100, 900, len(labels))
    facts = [
        {
            "format": "PNG" if label else "JPEG",
            "height": int(side),
            "width": int(side),
            "bytes_per_pixel": 1.0 + label,
            "jpeg_quality": None if label else 90,
            "brightness": float(rng.uniform(0, 255)),
            "contrast": 40.0,
            "sharpness": float(10 - b),
        }
        for label, side, b in zip(labels, sides, blur, strict=True)
    ]
    images = {}
    if mistakes:
        images = {row: np.full((20, 30, 3), row % 256, np.uint8) for row in most_confident(scores)}
    write_evaluation(folder / "evaluation/test", scores, {}, None, None, facts, images)
    return scores


def found_in(folder):
    [evaluation] = read_run(folder).evaluations
    return find_failures(evaluation, folder / "evaluation/test")


def said_of(folder, failures):
    page = render("failures.html", run=read_run(folder), failures=failures)
    return " ".join(page.partition("</ul>")[0].split())


def test_the_most_confident_mistakes_are_chosen(tmp_path):
    scores = planted(tmp_path, effect=1.0)
    rows = most_confident(scores, per_kind=4)
    wrong = (scores.logits > 0) != (scores.labels == 1)
    expected = []
    for label, name in ((0, "photographs"), (1, "a"), (1, "b")):
        mine = np.flatnonzero(wrong & (scores.labels == label) & (scores.generators == name))
        expected += sorted(mine, key=lambda row: -abs(scores.logits[row]))[:4]
    assert rows == expected
    assert len(most_confident(scores, per_kind=4, most=7)) == 7


def test_a_planted_feature_is_found_and_no_other(tmp_path):
    planted(tmp_path, effect=1.5)
    failures = found_in(tmp_path)
    telling = {(one.label, one.separation.name) for one in failures.predictors if one.predicts}
    assert telling == {(0, "sharpness"), (1, "sharpness")}
    assert all(one.separation.auc < 0.5 for one in failures.predictors if one.predicts)
    assert "lower sharpness" in said_of(tmp_path, failures)


def test_nothing_is_found_where_nothing_predicts(tmp_path):
    planted(tmp_path, effect=0.0, seed=3)
    failures = found_in(tmp_path)
    assert failures.predictors
    assert not any(one.predicts for one in failures.predictors)
    assert "None of" in said_of(tmp_path, failures)


def test_report_has_the_gallery_and_files_beside_it(tmp_path):
    scores = planted(tmp_path, effect=1.5)
    page = build_report(tmp_path).read_text()
    assert "What it gets wrong" in page
    folder = tmp_path / "failures/test"
    with open(folder / "failures.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    chosen = most_confident(scores)
    assert [row["filename"] for row in rows] == [scores.filenames[row] for row in chosen]
    assert rows[0]["format"] == "JPEG"
    assert rows[0]["jpeg_quality"] == "90"
    for row, number in zip(rows, chosen, strict=True):
        with Image.open(folder / row["image"]) as image:
            assert image.size == (30, 20)
            assert image.getpixel((0, 0)) == (number % 256,) * 3
    assert (folder / "error_features.csv").is_file()


def test_without_facts_the_report_says_so(tmp_path):
    scores = planted(tmp_path, effect=0.0)
    write_evaluation(tmp_path / "evaluation/test", scores, {})
    assert not (tmp_path / "evaluation/test/facts.csv").exists()
    assert "was not recorded" in build_report(tmp_path).read_text()


def test_facts_of_other_images_are_refused(tmp_path):
    planted(tmp_path, effect=0.0)
    path = tmp_path / "evaluation/test/facts.csv"
    path.write_text(path.read_text().replace("photographs/0", "photographs/x", 1))
    with pytest.raises(ValueError, match="run evaluate again"):
        found_in(tmp_path)


def test_images_are_reduced_to_be_looked_at():
    image = np.zeros((400, 1000, 3), np.uint8)
    assert reduced(image).shape == (77, 192, 3)
    small = np.random.default_rng(0).integers(0, 256, (64, 48, 3), np.uint8)
    np.testing.assert_array_equal(reduced(small), small)
