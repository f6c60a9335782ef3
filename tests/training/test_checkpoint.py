"""A checkpoint that cannot be written, and what is left of the run."""

import contextlib
import logging
import resource
import shutil

import numpy as np
import pytest
from orbax.checkpoint._src.path import async_path

from input_pipeline.errors import UserError
from npr_jax.training.checkpoint import Checkpoints
from tests.detectors.test_checkpoint import iterator, read, write


@contextlib.contextmanager
def files_no_larger_than(size):
    """As on a disk that fills up: longer writes fail."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_one_line_and_loses_no_checkpoint(tmp_path, capfd):
    write(tmp_path)
    noise = np.random.default_rng(0).normal(size=2**18)
    checkpoints = Checkpoints(tmp_path)
    with files_no_larger_than(2**16):
        checkpoints.save(9, {"model": {"noise": noise}}, iterator(), {})
        with pytest.raises(OSError, match=r"could not be written to .*step 6 is intact") as caught:
            checkpoints.close()
        assert str(tmp_path / "checkpoints") in str(caught.value)
        assert len(str(caught.value).splitlines()) == 1
    assert "Traceback" not in capfd.readouterr().err
    assert read(tmp_path, "last") == ("last", 6)
    again = Checkpoints(tmp_path)
    again.save(9, {"model": {"noise": noise}}, iterator(), {})
    again.close()
    assert Checkpoints(tmp_path).latest_step() == 9


def test_no_traceback_is_logged_where_a_thread_meets_the_full_disk(tmp_path, caplog, monkeypatch):
    """It does so when it says that the checkpoint is complete, too late for ``save``."""

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    checkpoints = Checkpoints(tmp_path)
    monkeypatch.setattr(async_path, "write_text", full)
    logging.getLogger("absl").addHandler(caplog.handler)
    checkpoints.save(3, {"model": {"zeros": np.zeros(4)}}, iterator(), {})
    with pytest.raises(OSError, match=r"No space left on device.*there is none yet"):
        checkpoints.close()
    logging.getLogger("absl").removeHandler(caplog.handler)
    assert not [record for record in caplog.records if record.exc_info]


def test_of_two_trainings_of_one_workdir_the_second_is_refused(tmp_path):
    """It would remove what the first is writing, as if a kill had left it."""
    first = Checkpoints(tmp_path)
    with pytest.raises(UserError, match=r"another process is training .*give another --workdir"):
        Checkpoints(tmp_path)
    first.close()
    Checkpoints(tmp_path).close()


def test_what_a_kill_left_of_a_checkpoint_that_was_being_removed_is_removed(tmp_path):
    folder = write(tmp_path) / "checkpoints"
    kept = sorted(folder.iterdir())
    shutil.copytree(folder / "3", folder / "1")
    shutil.rmtree(folder / "1/model")
    (folder / "1/_CHECKPOINT_METADATA").unlink()
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.latest_step() == 6
    checkpoints.close()
    assert sorted(folder.iterdir()) == kept
    assert read(tmp_path, "best") == ("best", 3)
