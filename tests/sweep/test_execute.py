"""What a sweep runs, skips, leaves to others and survives; training itself is a stand-in."""

import csv
import json
import multiprocessing
import time

import jax
import pytest

from input_pipeline.storage.locks import locked
from npr_jax.sweep.execute import prepare_simulation, run_sweep
from tests import runs
from tests.sweep.stand_in import Trainer, sweep_on


def run(config, workdir, trainer, **options):
    return run_sweep(config, workdir, name="test", train=trainer, **options)


def test_runs_all_then_nothing(tiny_data, tmp_path, capsys):
    trainer = Trainer()
    tally = run(sweep_on(tiny_data), tmp_path, trainer)
    assert trainer.calls == [[((0.25,), 0)], [((0.25,), 1)], [((0.5,), 0)], [((0.5,), 1)]]
    assert len(tally.finished) == 4
    assert "4 runs finished, 0 were done before, 0 failed" in capsys.readouterr().out

    files = [*tmp_path.glob("*/seed*/evaluation/*/*"), *tmp_path.glob("*/seed*/*.json")]
    before = {path: path.stat().st_mtime_ns for path in files}
    table = (tmp_path / "runs.csv").read_bytes()
    again = run(sweep_on(tiny_data), tmp_path, trainer)
    assert len(trainer.calls) == 4
    assert len(again.skipped) == 4
    assert before == {path: path.stat().st_mtime_ns for path in files}
    assert (tmp_path / "runs.csv").read_bytes() == table


def test_other_settings_and_missing_results_are_not_done(tiny_data, tmp_path):
    run(sweep_on(tiny_data, seeds=(0,)), tmp_path, Trainer())
    changed = sweep_on(tiny_data, seeds=(0,))
    changed.base.num_epochs = 3
    trainer = Trainer()
    run(changed, tmp_path, trainer)
    assert len(trainer.calls) == 2

    changed.base.data.workers = 1  # who reads the images is in no result
    run(changed, tmp_path, trainer)
    assert len(trainer.calls) == 2
    next(tmp_path.glob("0.5/seed0/evaluation/*/results.json")).unlink()
    run(changed, tmp_path, trainer)
    assert trainer.calls[2:] == [[((0.5,), 0)]]


def test_each_delivery_has_its_rows_and_a_further_one_is_evaluated(tiny_data, tmp_path, capsys):
    sweep = sweep_on(tiny_data, seeds=(0,))
    run(sweep, tmp_path, Trainer())
    sweep.deliveries = ("clean", "hard")
    trainer = Trainer(deliveries=sweep.deliveries)
    run(sweep, tmp_path, trainer)
    assert len(trainer.calls) == 2
    with open(tmp_path / "runs.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["delivery"] for row in rows] == (["clean"] * 4 + ["hard"] * 4) * 2
    assert "0.25, hard" in capsys.readouterr().out
    run(sweep, tmp_path, trainer)
    assert len(trainer.calls) == 2

    sweep.deliveries = ("printed",)
    with pytest.raises(ValueError, match=r"deliveries is \('printed',\); expected some of"):
        run(sweep, tmp_path, trainer)


def test_a_run_that_version_1_finished_is_done(tiny_data, tmp_path):
    """Its record does not name the settings that came later."""
    run(sweep_on(tiny_data, seeds=(0,)), tmp_path, Trainer())
    for path in tmp_path.glob("*/seed0/sweep_run.json"):
        record = json.loads(path.read_text())
        del record["settings"]["best_checkpoint"]
        [record["evaluation"]] = record.pop("evaluations")
        path.write_text(json.dumps(record))
    trainer = Trainer()
    run(sweep_on(tiny_data, seeds=(0,)), tmp_path, trainer)
    assert trainer.calls == []


def test_other_images_are_not_done(tiny_data, tmp_path):
    run(sweep_on(tiny_data, seeds=(0,)), tmp_path / "sweep", Trainer())
    moved = tmp_path / "moved"
    moved.symlink_to(tiny_data)
    trainer = Trainer()
    run(sweep_on(moved, seeds=(0,)), tmp_path / "sweep", trainer)
    assert trainer.calls == []

    splits = {name: runs.records(name, count + 1) for name, count in runs.SPLITS.items()}
    runs.write_dataset(tmp_path / "larger", "tiny", splits, {"made_by": "tests"})
    run(sweep_on(tmp_path / "larger", seeds=(0,)), tmp_path / "sweep", trainer)
    assert len(trainer.calls) == 2


def test_a_failing_run_does_not_stop_the_others(tiny_data, tmp_path):
    def refuse(configs):
        if configs[0].model.factors == (0.25,):
            raise ValueError("no such factor on Wednesdays")

    tally = run(sweep_on(tiny_data), tmp_path, Trainer(refuse))
    assert tally.finished == ["0.5/seed0", "0.5/seed1"]
    assert tally.failed == [
        ("0.25/seed0", "no such factor on Wednesdays"),
        ("0.25/seed1", "no such factor on Wednesdays"),
    ]


def test_a_group_too_large_for_the_device_is_tried_one_by_one(tiny_data, tmp_path):
    def refuse(configs):
        if len(configs) > 1:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")

    tally = run(sweep_on(tiny_data), tmp_path, Trainer(refuse), side_by_side=2)
    assert len(tally.finished) == 4
    assert tally.failed == []


def test_a_failing_group_is_tried_one_by_one(tiny_data, tmp_path):
    def refuse(configs):
        if 1 in [config.seed for config in configs]:
            raise FloatingPointError("train loss is nan at step 3")

    trainer = Trainer(refuse)
    tally = run(sweep_on(tiny_data, seeds=(0, 1, 2)), tmp_path, trainer, side_by_side=3)
    assert trainer.calls[:4] == [
        [((0.25,), 0), ((0.25,), 1), ((0.25,), 2)],
        [((0.25,), 0)],
        [((0.25,), 1)],
        [((0.25,), 2)],
    ]
    assert [folder for folder, _ in tally.failed] == ["0.25/seed1", "0.5/seed1"]
    assert len(tally.finished) == 4


def test_shards_converge_to_one_table(tiny_data, tmp_path):
    config = sweep_on(tiny_data, seeds=(0, 1, 2))
    run(config, tmp_path / "whole", Trainer())
    trainers = [Trainer(), Trainer()]
    for index, trainer in enumerate(trainers):
        run(config, tmp_path / "parts", trainer, shard=(index, 2))
    assert [len(trainer.calls) for trainer in trainers] == [3, 3]
    whole, parts = ((tmp_path / name / "runs.csv").read_text() for name in ("whole", "parts"))
    assert parts == whole


def test_a_run_in_other_hands_is_passed_over(tiny_data, tmp_path):
    trainer = Trainer()
    with locked(tmp_path / "0.5/seed1/.lock", wait=False) as mine:
        assert mine
        tally = run(sweep_on(tiny_data), tmp_path, trainer)
    assert tally.elsewhere == ["0.5/seed1"]
    assert len(tally.finished) == 3
    assert run(sweep_on(tiny_data), tmp_path, trainer).finished == ["0.5/seed1"]


def test_a_lock_ends_with_its_process(tmp_path):
    context = multiprocessing.get_context("spawn")
    holder = context.Process(target=_hold, args=(tmp_path / "lock",))
    holder.start()
    while not (tmp_path / "lock.held").exists():
        time.sleep(0.02)
    with locked(tmp_path / "lock", wait=False) as held:
        assert not held
    holder.kill()
    holder.join()
    with locked(tmp_path / "lock", wait=False) as held:
        assert held


def _hold(path):
    with locked(path, wait=False):
        path.with_name("lock.held").touch()
        time.sleep(600)


def simulated(**changes):
    """A sweep without data of its own, on the smallest simulation there can be."""
    config = sweep_on("")
    small = {"train_per_class": 2, "validation_per_class": 2, "test_per_family": 4}
    config.base.data.simulation.update({"size": 32} | small | changes)
    return config


def test_all_runs_see_one_simulation(tmp_path, monkeypatch):
    def build(directory, *, seed, **settings):
        built.append((directory, seed))
        if not directory.exists():
            runs.write_tiny_dataset(directory)

    built, seen = [], []
    monkeypatch.setattr("input_pipeline.simulation.dataset.build_simulation", build)
    config = simulated()
    config.base.seed = 9
    run(config, tmp_path, Trainer(lambda configs: seen.append(configs[0].data.path)))
    assert seen == [str(tmp_path / "simulation")] * 4
    assert built == [(tmp_path / "simulation", 9)]


@pytest.mark.slow
def test_two_processes_build_one_simulation(tmp_path):
    config = simulated()
    context = multiprocessing.get_context("spawn")
    makers = [
        context.Process(target=prepare_simulation, args=(config.base, tmp_path)) for _ in range(2)
    ]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert [maker.exitcode for maker in makers] == [0, 0]
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["simulation"]
    stamp = (tmp_path / "simulation/dataset.json").stat().st_mtime_ns
    prepare_simulation(config.base, tmp_path)
    assert (tmp_path / "simulation/dataset.json").stat().st_mtime_ns == stamp

    with pytest.raises(ValueError, match="made with other settings"):
        run(simulated(test_per_family=5), tmp_path, Trainer())


def test_directories_that_cannot_be_used(tiny_data, tmp_path):
    with pytest.raises(ValueError, match="separates directories by commas"):
        run(sweep_on(tiny_data), tmp_path / "a,b", Trainer())


def test_a_missing_data_set_is_refused_before_any_run(tiny_data, tmp_path):
    variants = (
        {"name": "here", "settings": {}},
        {"name": "away", "settings": {"data.path": str(tmp_path / "absent")}},
    )
    trainer = Trainer()
    with pytest.raises(ValueError, match="absent is not a directory"):
        run(sweep_on(tiny_data, variants=variants), tmp_path / "sweep", trainer)
    assert trainer.calls == []
    assert not (tmp_path / "sweep").exists()
