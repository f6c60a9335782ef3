"""The runner of the GPU script: a row for every step, whatever becomes of it."""

import json
import pathlib
import subprocess
import sys
import time

import pytest

from benchmarks.gpu import runner
from benchmarks.gpu.steps import Step

WRITE = """
import json, sys
path = sys.argv[-1].removeprefix("--json=")
row = {"what": "answer", "found": sys.argv[1], "goal": "at least 7", "met": False}
json.dump({"findings": [row], "gpu": sys.argv[1] == "full"}, open(path, "w"))
"""
# Starts another process that would live on, as PyTorch's does, and says who it is.
HANG = """
import os, pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path(sys.argv[1], "new").write_text(str(child.pid))
os.rename(sys.argv[1] + "/new", sys.argv[1] + "/child")
time.sleep(600)
"""


def python(name: str, script: str, *arguments: str, limit: int = 300, small: tuple = ()) -> Step:
    return Step(name, limit, ("-c", script, *arguments), small)


def alive(pid: int) -> bool:
    status = pathlib.Path(f"/proc/{pid}/status")
    return status.exists() and "zombie" not in status.read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_step_that_fails_or_hangs_is_a_row_and_not_the_end(tmp_path, monkeypatch):
    child = tmp_path / "child"

    class Begun(subprocess.Popen):
        """Whose time counts from when its child is there, however long Python takes to start."""

        def wait(self, timeout=None):
            while timeout == 1 and not child.exists() and self.poll() is None:
                time.sleep(0.05)
            return super().wait(timeout)

    monkeypatch.setattr(subprocess, "Popen", Begun)
    steps = [
        python("broken", "print('so far'); raise OSError('no such device')"),
        python("hanging", HANG, str(tmp_path), limit=1),
        python("good", WRITE, "full"),
    ]
    out = tmp_path / "out"
    start = time.monotonic()
    runner.run(steps, out, seconds=3000, rehearsal=False)
    assert time.monotonic() - start < 300
    rows = json.loads((out / "gpu.json").read_text())["steps"]
    assert rows["broken"]["status"] == "failed: OSError: no such device"
    assert rows["hanging"]["status"] == "stopped after 1 s"
    assert rows["good"]["status"] == "passed"
    assert not alive(int(child.read_text()))
    table = (out / "gpu.txt").read_text()
    assert "REHEARSAL" not in table
    assert "broken: failed: OSError: no such device" in table
    assert "  answer: full  (at least 7)  MISSED" in table
    assert "so far" in (out / "gpu.log").read_text()


def test_without_a_gpu_later_steps_take_their_small_form_and_the_table_says_so(tmp_path):
    steps = [python("devices", WRITE, "none"), python("train", WRITE, small=("small",))]
    whole = runner.run(steps, tmp_path, seconds=3000, rehearsal=False)
    assert whole["rehearsal"]
    assert (tmp_path / "gpu.txt").read_text().startswith("REHEARSAL")
    assert whole["steps"]["train"]["results"]["findings"][0]["found"] == "small"


def test_what_is_known_is_on_disk_while_later_steps_run(tmp_path):
    """The second step sees the first one's row."""
    look = f"print(open({str(tmp_path / 'gpu.json')!r}).read())"
    runner.run(
        [python("first", "pass"), python("second", look)], tmp_path, seconds=3000, rehearsal=True
    )
    log = (tmp_path / "gpu.log").read_text()
    assert '"first"' in log.partition("== second")[2]


def test_steps_without_time_left_say_so(tmp_path):
    whole = runner.run([python("late", "pass")], tmp_path, seconds=1, rehearsal=True)
    assert whole["steps"]["late"]["status"] == "not run: no time left"
    assert "late: not run: no time left" in (tmp_path / "gpu.txt").read_text()


def test_the_script_hands_its_arguments_on_and_fails_with_a_step(root, tmp_path):
    command = ["bash", "benchmarks/gpu.sh", str(tmp_path / "new"), "--only", "none such"]
    finished = subprocess.run(
        command,
        cwd=root,
        env={"PATH": "/usr/bin:/bin", "PYTHON": sys.executable, "WHEELS": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 2
    assert "none such" in finished.stderr
