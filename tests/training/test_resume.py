"""A run that is killed again and again ends bit-identical to one that is left alone."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests import runs

EPOCHS = 4
STEPS = EPOCHS * 3  # 21 images in batches of 8
DEADLINE = 1000  # seconds for a process to get anywhere


def start(arguments, last_step, folder):
    """Trains no further than that step: it cannot end before it is killed."""
    (folder / "hold").touch()
    held = ["-m", "tests.training.held", str(folder / "hold"), str(last_step), "1"]
    return subprocess.Popen(
        [sys.executable, *held, *arguments],
        cwd=runs.ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill_at_random(arguments, workdir, rng, last_step) -> int:
    """Lets a run come one checkpoint further, then sends SIGKILL; returns what is on disk."""
    seen = max(saved_steps(workdir), default=0)
    process = start(arguments, last_step, workdir.parent)
    begin = time.monotonic()
    while max(saved_steps(workdir), default=0) <= seen:
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() - begin < DEADLINE
        time.sleep(0.01)
    time.sleep(rng.uniform(0, 0.4))
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    return max(saved_steps(workdir))


def saved_steps(workdir):
    if not (workdir / "checkpoints").is_dir():
        return []
    return [int(name) for name in os.listdir(workdir / "checkpoints") if name.isdecimal()]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_killed_runs_end_bit_identical(tiny_data, tmp_path, workers):
    settings = {
        "num_epochs": EPOCHS,
        "checkpoint_every_steps": 1,
        "log_every_steps": 1,
        "data__workers": workers,
        "data__prefetch": 2,
        "data__reencode": "(60,95)",
        "data__augment__blur_probability": 0.5,
        "data__augment__jpeg_probability": 0.5,
    }
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    runs.main(*runs.train_arguments(tiny_data, whole, **settings))
    arguments = runs.train_arguments(tiny_data, broken, **settings)
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    stops = [kill_at_random(arguments, broken, rng, last) for last in (STEPS // 2, STEPS)]
    finished = runs.main(*arguments)
    told = f"killed with steps {stops} on disk; seed {seed}"
    assert stops[0] < STEPS, told
    assert f"resuming {broken} at step {stops[-1]} of {STEPS}" in finished.stderr, told

    last = runs.checkpoint_steps(whole)[-1]
    assert last == STEPS
    assert runs.checkpoint_steps(broken) == runs.checkpoint_steps(whole), told
    for step in runs.checkpoint_steps(whole):
        expected, arrays = runs.saved_arrays(whole, step), runs.saved_arrays(broken, step)
        assert arrays.keys() == expected.keys(), told
        assert sum("opt_state" in key for key in arrays) > 50
        for key, value in expected.items():
            np.testing.assert_array_equal(arrays[key], value, f"{key}, {told}")
    for name in ("metrics.jsonl", "config.json"):
        assert (broken / name).read_bytes() == (whole / name).read_bytes(), told
    # TensorBoard shows each point once.
    for split in ("train", "validation"):
        _, points = runs.events(broken / "tensorboard")
        steps = [point["step"] for point in runs.curve(broken, split)]
        assert [point[0] for point in points[f"{split}/loss"]] == steps, told
    [scores] = (whole / "evaluation").glob("*/scores.csv")
    assert (broken / scores.relative_to(whole)).read_bytes() == scores.read_bytes(), told
