"""Reading a work directory."""

import json
import math

import numpy as np
import pytest

from npr_jax.analysis.run_results import read_curves, read_run
from npr_jax.evaluation.results import Scores, write_evaluation


def test_curves_of_a_killed_and_resumed_run(tmp_path):
    lines = [
        {"step": 1, "epoch": 0, "split": "train", "loss": 0.9, "note": "words are no curve"},
        {"step": 2, "epoch": 0, "split": "train", "loss": 0.8},
        {"step": 2, "epoch": 0, "split": "validation", "ap": 0.7},
        {"step": 2, "epoch": 0, "split": "train", "loss": 0.5},
        {"step": 3, "epoch": 1, "split": "train", "loss": None},
    ]
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"step": 4, "los')
    curves = read_curves(path)
    assert set(curves) == {"loss", "ap"}
    steps, values = curves["loss"]["train"]
    assert steps.tolist() == [1, 2, 3]
    np.testing.assert_array_equal(values, [0.9, 0.5, math.nan])
    assert curves["ap"]["validation"][1].tolist() == [0.7]


def test_a_broken_line_in_the_middle_is_named(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1\n{"step": 2, "split": "train", "loss": 1}\n')
    with pytest.raises(ValueError, match="line 1 is not JSON"):
        read_curves(path)


def test_an_empty_directory_has_nothing_to_report(tmp_path):
    with pytest.raises(ValueError, match="nothing to report"):
        read_run(tmp_path)


def test_evaluations_come_in_the_order_of_what_they_say(tmp_path):
    scores = Scores([0, 1], [-1.0, 1.0], ["photographs", "gan"], ["a", "b"])
    for name, meta in {
        "a-other": {},
        "b-web": {"delivery": "web", "train_family": "gan"},
        "c-clean": {"delivery": "clean", "train_family": "gan"},
    }.items():
        write_evaluation(tmp_path / "evaluation" / name, scores, meta)
    found = [evaluation.name for evaluation in read_run(tmp_path).evaluations]
    assert found == ["c-clean", "b-web", "a-other"]


def test_a_half_written_evaluation_is_not_read(tmp_path):
    (tmp_path / "evaluation" / "test").mkdir(parents=True)
    (tmp_path / "evaluation" / "test" / "scores.csv").write_text("filename\n")
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "split": "train", "loss": 1}\n')
    assert read_run(tmp_path).evaluations == []
