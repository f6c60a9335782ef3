"""What TensorBoard shows of a run: every point once, also of a run that was killed and resumed."""

import time

import pytest

from npr_jax.training.event_files import drop_events_after
from npr_jax.training.reporting import CurveWriter
from tests import runs

# One writer each, with the same points.
WRITE = """
import pathlib, sys
if sys.argv[2] == "with":
    import tensorflow
from npr_jax.training.event_files import open_event_file
writer = open_event_file(pathlib.Path(sys.argv[1]), resume_step=0)
writer.write_scalars(1, {"train/loss": 0.7, "train/accuracy": 0.5})
writer.write_scalars(2, {"train/loss": 1e-3})
writer.close()
print(type(writer).__module__, "tensorflow" in sys.modules)
"""


def points(folder, steps):
    writer = CurveWriter(folder, resume_step=steps[0] - 1)
    for step in steps:
        values = {"loss": step / 8, "accuracy": 0.5}
        writer.write(step=step, epoch=step / 3, split="train", values=values)
    return writer


def test_events_of_a_killed_and_resumed_run_are_there_once(tmp_path):
    # Neither writer is closed: what a kill leaves is what was flushed.
    killed = points(tmp_path, range(1, 7))
    resumed = points(tmp_path, range(4, 9))
    _, found = runs.events(tmp_path / "tensorboard")
    assert [point[:2] for point in found["train/loss"]] == [[s, s / 8] for s in range(1, 9)]
    assert [point[0] for point in found["train/accuracy"]] == list(range(1, 9))
    assert [p["step"] for p in runs.curve(tmp_path, "train")] == list(range(1, 9))
    killed.close()
    resumed.close()


def test_a_run_that_goes_on_under_a_clock_set_back_is_shown_in_its_order(tmp_path, monkeypatch):
    points(tmp_path, range(1, 4)).close()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 86400)
    points(tmp_path, range(4, 6)).close()
    _, found = runs.events(tmp_path / "tensorboard")
    assert [point[0] for point in found["train/loss"]] == [1, 2, 3, 4, 5]


def test_a_run_started_anew_shows_nothing_of_the_old_one(tmp_path):
    points(tmp_path, range(1, 4)).close()
    points(tmp_path, range(1, 3)).close()
    _, found = runs.events(tmp_path / "tensorboard")
    assert [point[0] for point in found["train/loss"]] == [1, 2]


def test_a_record_cut_short_ends_its_file(tmp_path):
    points(tmp_path, range(1, 6)).close()
    folder = tmp_path / "tensorboard"
    [path] = folder.glob("events.*")
    path.write_bytes(path.read_bytes()[:-3])
    drop_events_after(folder, 3)
    assert list(folder.iterdir()) == [path]
    points(tmp_path, range(4, 6)).close()
    _, found = runs.events(folder)
    assert [point[0] for point in found["train/accuracy"]] == [1, 2, 3, 4, 5]


def test_files_without_later_events_are_left_alone(tmp_path):
    points(tmp_path, range(1, 4)).close()
    [path] = (tmp_path / "tensorboard").iterdir()
    before = path.stat()
    drop_events_after(path.parent, 3)
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_events_are_those_of_clu_where_tensorflow_is_there(tmp_path):
    pytest.importorskip("tensorflow_datasets", reason="the extra tensorflow is not installed")
    modules = {}
    for which in ("with", "without"):
        finished = runs.python("-c", WRITE, tmp_path / which, which)
        modules[which] = finished.stdout.split()
    assert modules == {
        "with": ["clu.metric_writers.tf.summary_writer", "True"],
        "without": ["npr_jax.training.event_files", "False"],
    }
    assert runs.events(tmp_path / "with") == runs.events(tmp_path / "without")
