"""Several devices compute what one does; several processes are tests/training/test_hosts.py."""

import csv

import numpy as np
import pytest

from tests import runs


def scores(workdir):
    [path] = (workdir / "evaluation").glob("*/scores.csv")
    with open(path, newline="") as file:
        return {row["filename"]: float(row["logit"]) for row in csv.DictReader(file)}


def assert_same_run(workdir, expected):
    """Curves, parameters and scores within what summing in another order changes."""
    for split in ("train", "validation"):
        ours, theirs = runs.curve(workdir, split), runs.curve(expected, split)
        assert [p["step"] for p in ours] == [p["step"] for p in theirs]
        np.testing.assert_allclose(
            [p["loss"] for p in ours], [p["loss"] for p in theirs], rtol=0, atol=1e-5
        )
    [step] = {runs.checkpoint_steps(run)[-1] for run in (workdir, expected)}
    arrays, reference = runs.saved_arrays(workdir, step), runs.saved_arrays(expected, step)
    assert arrays.keys() == reference.keys()
    for key, value in reference.items():
        if key.startswith(("params", "batch_stats")):
            np.testing.assert_allclose(arrays[key], value, rtol=1e-5, atol=1e-5, err_msg=key)
    ours, theirs = scores(workdir), scores(expected)
    assert ours.keys() == theirs.keys()
    np.testing.assert_allclose(list(ours.values()), list(theirs.values()), rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def careful(tmp_path_factory, tiny_data):
    """One device, with steps so large that a wrong gradient would show and Adam's signs do not.

    An epsilon-sized gradient may change its sign with the order of a sum, and Adam then steps the
    other way: the learning rate bounds that.
    """
    workdir = tmp_path_factory.mktemp("one") / "device"
    runs.main(*runs.train_arguments(tiny_data, workdir, **SETTINGS))
    return workdir


SETTINGS = {"optimizer__learning_rate": 1e-6}


@pytest.mark.slow
def test_four_devices_equal_one(careful, tiny_data, tmp_path):
    """``JAX_NUM_CPU_DEVICES=4 python main.py``: batches and evaluation over four devices."""
    workdir = tmp_path / "four"
    arguments = runs.train_arguments(tiny_data, workdir, **SETTINGS)
    finished = runs.main(*arguments, environment={"JAX_NUM_CPU_DEVICES": "4"})
    assert "4 x cpu" in finished.stderr
    assert_same_run(workdir, careful)


def test_a_batch_that_does_not_divide_over_the_devices_is_refused(tiny_data, tmp_path):
    finished = runs.main(
        *runs.train_arguments(tiny_data, tmp_path / "run", batch_size=6),
        environment={"JAX_NUM_CPU_DEVICES": "4"},
        status=2,
    )
    assert "batch_size is 6 but there are 4 devices" in finished.stderr
    assert "--config.batch_size=8" in finished.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--coordinator=localhost:1234", "--process_id=2", "--num_processes=2"], "0 to 1"),
        (["--coordinator=localhost"], "expected HOST:PORT"),
    ],
)
def test_processes_that_cannot_join_are_refused(tiny_data, tmp_path, arguments, message):
    train = runs.train_arguments(tiny_data, tmp_path / "run", **SETTINGS)
    assert message in runs.main(*train, *arguments, status=2).stderr
