"""``python main.py sweep`` as a user calls it, with real training on tiny images."""

import csv
import os
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from npr_jax.sweep.execute import run_sweep
from npr_jax.training.train import train
from tests import runs
from tests.sweep import tiny

EXACT = ("sweep", "variant", "seed", "generator", "kind", "steps", "n_generated", "model_settings")
DEADLINE = 1000  # seconds for a process to get anywhere


def arguments(data, workdir, *more):
    return ["sweep", f"--config=tests/sweep/tiny.py:{data}", f"--workdir={workdir}", *more]


def read(workdir):
    with open(workdir / "runs.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--shard=2/2"], "--shard=2/2; expected i/n with i from 0 to n - 1"),
        (["--config.base.num_epoch=3"], "--config.base.num_epoch: no such setting; did you mean"),
        (["--config.num_epochs=3"], "a sweep's is --config.base.num_epochs"),
        (["--config.seeds=(0,"], 'expected a tuple of integers, as "(0,1,2)"'),
    ],
)
def test_wrong_usage_is_one_line(tiny_data, tmp_path, more, message):
    finished = runs.main(*arguments(tiny_data, tmp_path / "never", *more), status=2)
    [line] = finished.stderr.splitlines()
    assert line.startswith("error: ")
    assert message in line
    assert not (tmp_path / "never").exists()


@pytest.mark.slow
def test_shards_side_by_side_and_one_by_one_agree(tiny_data, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    sweep = tiny.get_config(str(tiny_data))
    run_sweep(sweep, whole, name="tiny")
    for index in (0, 1):
        run_sweep(sweep, parts, name="tiny", shard=(index, 2), side_by_side=2)

    one_by_one, together = read(whole), read(parts)
    assert len(one_by_one) == len(together) == 2 * 2 * 3
    for expected, row in zip(one_by_one, together, strict=True):
        assert {key: row[key] for key in EXACT} == {key: expected[key] for key in EXACT}
    for folder in ("0.25/seed0", "0.25/seed1", "0.5/seed0", "0.5/seed1"):
        expected, logits = (_logits(directory / folder) for directory in (whole, parts))
        np.testing.assert_allclose(logits, expected, rtol=1e-5, atol=1e-5)
    assert not np.allclose(_logits(whole / "0.25/seed0"), _logits(whole / "0.25/seed1"))


def _logits(workdir):
    [path] = (workdir / "evaluation").glob("*/scores.csv")
    with open(path, newline="") as file:
        return np.array([float(row["logit"]) for row in csv.DictReader(file)])


@pytest.mark.slow
def test_killed_and_called_again_gives_the_same_table(tiny_data, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    runs.main(*arguments(tiny_data, whole))
    # The second run, of six steps, waits at its fifth to be killed.
    (tmp_path / "hold").touch()
    held = ["-m", "tests.training.held", str(tmp_path / "hold"), "5", "2"]
    process = subprocess.Popen(
        [sys.executable, *held, *arguments(tiny_data, broken)],
        cwd=runs.ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    # In the middle of the second run.
    checkpoints = broken / "0.25/seed1/checkpoints"
    begin = time.monotonic()
    while not (checkpoints.is_dir() and any(n.isdecimal() for n in os.listdir(checkpoints))):
        assert process.poll() is None, "the sweep ended before it could be killed"
        assert time.monotonic() - begin < DEADLINE
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    first = broken / "0.25/seed0/sweep_run.json"
    stamp = first.stat().st_mtime_ns

    finished = runs.main(*arguments(tiny_data, broken))
    assert "3 runs finished, 1 were done before, 0 failed" in finished.stdout
    assert "seed1 at step" in finished.stderr
    assert first.stat().st_mtime_ns == stamp
    assert (broken / "runs.csv").read_bytes() == (whole / "runs.csv").read_bytes()
    assert not list(broken.glob("*/seed*/report.html"))


@pytest.mark.slow
def test_a_refused_run_does_not_stop_the_others(tiny_data, tmp_path):
    # A folder that holds a run with another batch size cannot be gone on with.
    other = runs.tiny_config(tiny_data, model__backbone="thin_resnet", batch_size=4)
    other.model.factors = (0.25,)
    train(other, tmp_path / "0.25/seed0")
    finished = runs.main(*arguments(tiny_data, tmp_path, "--config.seeds=(0,)"), status=1)
    assert "1 runs finished, 0 were done before, 1 failed" in finished.stdout
    assert "failed: 0.25/seed0: " in finished.stderr
    assert "batch_size: was 4, now 8" in finished.stderr
    assert {row["variant"] for row in read(tmp_path)} == {"0.5"}


def test_compiled_programs_are_kept_where_the_user_says(tmp_path, tiny_data):
    # The tests have a place for them already.
    run_sweep(tiny.get_config(str(tiny_data)), tmp_path, name="tiny", train=_nothing)
    assert not (tmp_path / "compiled").exists()
    assert jax.config.jax_compilation_cache_dir


def _nothing(configs, workdirs):
    raise ValueError("not in this test")
