"""No process that reads or renders for another one is left where that is killed."""

import subprocess
import sys
import time

import pytest

READING = """
import grain
from input_pipeline.loading.parallel import read_ahead
elements = read_ahead(grain.MapDataset.range(10**6), 2, 1, shared_memory=False)
iterator = iter(elements)
begin = lambda: next(iterator)
"""
RENDERING = """
import os
from input_pipeline.simulation.dataset import _executor
executor = _executor(2, 10**6)
begin = lambda: executor.submit(os.getpid).result()
"""
KILLED = """
import os, signal
if __name__ == "__main__":
    begin()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
@pytest.mark.parametrize("work", [READING, RENDERING], ids=["reading", "rendering"])
def test_workers_end_with_the_process_that_is_killed(work, root, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(f"import sys; sys.path.insert(0, {str(root)!r})\n{work}{KILLED}")
    process = subprocess.Popen(
        [sys.executable, program], start_new_session=True, stderr=subprocess.DEVNULL
    )
    assert process.wait() == -9
    deadline = time.monotonic() + 240
    while left := processes_of(process.pid):
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def processes_of(session):
    """The living processes of a session."""
    listing = subprocess.run(["ps", "-o", "pid=,stat=", "-s", str(session)], capture_output=True)
    return [line for line in listing.stdout.splitlines() if b"Z" not in line]
