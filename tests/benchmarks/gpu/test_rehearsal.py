"""The GPU script, rehearsed on a CPU: the steps that take a few seconds there."""

import json
import os
import subprocess
import sys

import pytest

from benchmarks.gpu.cores import counts
from input_pipeline.cores import available_cores


@pytest.mark.slow
def test_steps_pass_in_small_and_the_table_says_that_it_is_no_gpu(root, tmp_path):
    # However busy the machine: the limits are tested elsewhere.
    patient = ["--limits=30", "--seconds=3000"]
    names = ["devices", "agreement", "feed", "layouts", "cores"]
    command = ["bash", "benchmarks/gpu.sh", str(tmp_path / "out"), *patient, "--only", *names]
    environment = {**os.environ, "PYTHON": sys.executable, "WHEELS": str(tmp_path)}
    finished = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    steps = json.loads((tmp_path / "out" / "gpu.json").read_text())["steps"]
    assert {name: row["status"] for name, row in steps.items()} == dict.fromkeys(names, "passed")
    assert "REHEARSAL" in finished.stdout
    found = {row["what"]: row["found"] for row in steps["agreement"]["results"]["findings"]}
    # The CPU agrees with itself; bfloat16 is another arithmetic.
    assert found["logits apart, float32, full precision"] == "0"
    assert 0 < float(found["logits apart, bfloat16"]) < 0.1
    rows = steps["feed"]["results"]["rows"]
    assert {row["records"] for row in rows} == {"JPEG", "decoded", "PNG"}
    assert all(0 <= row["share_waiting"] < 1 and row["images_per_second"] > 0 for row in rows)
    found = {row["what"]: row["found"] for row in steps["layouts"]["results"]["findings"]}
    # At least the stem and a 3x3 in each of seven blocks.
    assert int(found["convolutions in the compiled step"]) >= 8
    rates = steps["cores"]["results"]["images_per_second"]
    assert [int(cores) for cores in rates] == counts(available_cores())
    assert all(rate > 0 for row in rates.values() for rate in row.values())
