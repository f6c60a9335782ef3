"""The export benchmark's quick form runs every runtime and says what it measured."""

import json
import os
import subprocess
import sys

import pytest

RUNTIMES = ("Flax", "StableHLO", "ONNX Runtime", "OpenVINO")


@pytest.mark.slow
def test_quick_form_measures_every_runtime_and_what_8_bits_cost(root, trained, tmp_path):
    path = tmp_path / "export.json"
    command = [sys.executable, "benchmarks/export.py", "--quick", f"--workdir={trained.workdir}"]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    result = subprocess.run(
        [*command, f"--json={path}"],
        cwd=root,
        env=environment,
        check=True,
        text=True,
        capture_output=True,
    )
    written = json.loads(path.read_text())
    rates = {row["runtime"]: row for row in written["rows"]}
    assert set(RUNTIMES) <= set(rates)
    peers = [row["images_per_second"] for name, row in rates.items() if name.startswith("PyTorch")]
    for name, row in rates.items():
        expected = row["images_per_second"] / max(peers)
        assert row["ratio"] == pytest.approx(expected, rel=0.02, abs=0.01)
        assert name in result.stdout
    cost = written["int8"]
    assert cost["bytes"]["int8"] < 0.5 * cost["bytes"]["onnx"]
    # The network tells these classes apart wholly; 8 bits must not undo that.
    assert cost["int8"]["auc"] == pytest.approx(cost["float32"]["auc"], abs=0.05)
