"""runs.csv holds what the runs' results.json hold, and nothing else."""

import csv
import json

import numpy as np
import pytest

from npr_jax.evaluation.tables import METRICS
from npr_jax.sweep.execute import run_sweep
from npr_jax.sweep.record import settings_of
from npr_jax.sweep.table import format_summary, summarize, varied_settings
from tests.sweep.stand_in import VARIANTS, Trainer, sweep_on


def read(workdir):
    with open(workdir / "runs.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(name="workdir", scope="module")
def _workdir(tmp_path_factory, tiny_data):
    workdir = tmp_path_factory.mktemp("sweep")
    run_sweep(sweep_on(tiny_data), workdir, name="scales", train=Trainer(weights=True))
    return workdir


def test_values_are_those_of_results_json(workdir):
    table = read(workdir)
    # Two variants, two seeds, and alpha, beta, the control and the photographs.
    assert len(table) == 2 * 2 * 4
    for row in table:
        path = workdir / row["variant"] / f"seed{row['seed']}" / "evaluation/tiny-test"
        results = json.loads((path / "results.json").read_text())
        entries = [*results["generators"], *results["control"], *results["photographs"]]
        [entry] = [e for e in entries if e["generator"] == row["generator"]]
        for name in (*METRICS, "best_threshold", "n_photographs", "n_generated"):
            expected = entry.get(name)
            assert row[name] == ("" if expected is None else str(expected))
        label = int(row["kind"] != "photographs")
        [weights] = [
            w["mean"]
            for w in results["attention"]["rows"]
            if (w["generator"], w["label"]) == (row["generator"], label)
        ]
        assert [float(row["weight_0.25"]), float(row["weight_0.5"])] == weights


def test_columns(workdir):
    first = read(workdir)[0]
    expected = {
        "sweep": "scales",
        "variant": "0.25",
        "system": "npr",
        "seed": "0",
        "model.factors": "[0.25]",
        "data": "tiny",
        "commit": "abc",
        "parameters": "7",
        "train_images": "21",
        "steps": "4",
        # 21 images in batches of 8: three steps make an epoch, the fourth sees eight more.
        "images_trained": "29",
        "generator": "alpha",
        "kind": "trained",
        "pairing": "pooled",
        "n_photographs": "6",
        "n_generated": "6",
    }
    assert {key: first[key] for key in expected} == expected
    model = json.loads(first["model_settings"])
    assert model["factors"] == [0.25]
    assert model["name"] == "npr"
    assert list(first)[:5] == ["sweep", "variant", "system", "seed", "model.factors"]
    kinds = {(row["generator"], row["kind"]) for row in read(workdir)}
    assert kinds == {
        ("alpha", "trained"),
        ("beta", "unseen"),
        ("control", "control"),
        ("camera", "photographs"),
    }


def test_a_fixed_seed_may_be_swept_alone(tiny_data, tmp_path):
    sweep = sweep_on(tiny_data, seeds=(4,), variants=VARIANTS[:1])
    run_sweep(sweep, tmp_path, name="one", train=Trainer())
    [first, *_] = read(tmp_path)
    assert not [column for column in first if column.startswith("model.")]


def test_runs_of_earlier_variants_stay_but_not_those_to_be_repeated(tiny_data, tmp_path):
    run_sweep(sweep_on(tiny_data, seeds=(0,)), tmp_path, name="s", train=Trainer())
    sweep = sweep_on(tiny_data, seeds=(0,), variants=VARIANTS[1:])
    sweep.base.num_epochs = 5

    def refuse(configs):
        raise ValueError("not today")

    run_sweep(sweep, tmp_path, name="s", train=Trainer(refuse))
    assert {row["variant"] for row in read(tmp_path)} == {"0.25"}
    run_sweep(sweep, tmp_path, name="s", train=Trainer())
    epochs = {row["variant"]: row["num_epochs"] for row in read(tmp_path)}
    assert epochs == {"0.25": "2", "0.5": "5"}


def test_a_killed_writer_leaves_the_table_whole(workdir):
    before = (workdir / "runs.csv").read_bytes()
    (workdir / ".runs.csv.partial").write_text("sweep,var")
    assert (workdir / "runs.csv").read_bytes() == before


def test_equal_scales_have_a_column_each(tiny_data, tmp_path):
    trainer = Trainer(weights=True, scales=("0.5", "0.5"))
    run_sweep(
        sweep_on(tiny_data, seeds=(0,), variants=VARIANTS[1:]), tmp_path, name="s", train=trainer
    )
    for row in read(tmp_path):
        assert float(row["weight_0.5"]) + float(row["weight_0.5 (2)"]) == pytest.approx(1)


def test_varied_settings():
    settings = [
        {"seed": 0, "a": 1, "b": [1], "c": 1},
        {"seed": 1, "a": 1, "b": [2], "d": None},
    ]
    assert varied_settings(settings) == ["b", "c", "d"]
    assert varied_settings([]) == []


def test_settings_of_a_config_survive_json(tiny_data):
    settings = settings_of(sweep_on(tiny_data).base)
    assert settings["model.factors"] == [0.5]
    assert "data.path" not in settings
    assert json.loads(json.dumps(settings)) == settings


def test_a_damaged_record_is_named(tiny_data, tmp_path):
    run_sweep(sweep_on(tiny_data), tmp_path, name="s", train=Trainer())
    (tmp_path / "0.5/seed0/sweep_run.json").write_text("{")
    with pytest.raises(ValueError, match=r"seed0/sweep_run.json is damaged .*; remove it"):
        run_sweep(sweep_on(tiny_data), tmp_path, name="s", train=Trainer())


def test_summary_is_mean_and_deviation_over_seeds():
    def row(seed, generator, kind, value):
        values = dict.fromkeys((*METRICS, "auc"), value)
        return {"variant": "v", "seed": seed, "generator": generator, "kind": kind} | values

    rows = [
        row(0, "a", "trained", 1.0), row(0, "b", "unseen", 0.6), row(0, "c", "unseen", 0.8),
        row(1, "a", "trained", 0.9), row(1, "b", "unseen", 0.7), row(1, "c", "unseen", 0.9),
    ]  # fmt: skip
    [entry] = summarize(rows)
    assert entry["seeds"] == 2
    np.testing.assert_allclose(entry["AP unseen"], [0.7, 0.8])
    assert entry["AUC control"] == []
    text = format_summary(rows)
    assert "95.0 ± 7.1" in text
    assert "75.0 ± 7.1" in text
    assert format_summary([]) == "no run is finished yet"
