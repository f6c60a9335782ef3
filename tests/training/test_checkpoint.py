"""A checkpoint that cannot be written, and what is left of the run."""

import contextlib
import resource

import numpy as np
import pytest

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
