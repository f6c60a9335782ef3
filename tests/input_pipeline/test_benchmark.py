"""The pipeline benchmark runs and reports what it promises."""

import json
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_quick_form(root, tmp_path):
    pytest.importorskip("torch")
    out = tmp_path / "pipeline.json"
    command = [sys.executable, "benchmarks/pipeline.py", "--quick", f"--json={out}"]
    environment = {"PYTHONPATH": str(root), "PATH": ""}
    result = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=root, env=environment
    )
    rates = json.loads(out.read_text())["images_per_second"]
    assert all(rate > 0 for rate in rates.values())
    assert {name.split()[0] for name in rates} == {"ours", "torch"}
    assert "ours decoded" in result.stdout
    assert rates["ours decoded 0 workers"] > max(
        rate for name, rate in rates.items() if name.startswith("torch PNG")
    )
