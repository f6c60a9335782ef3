"""How cost grows: every question is measured in its quick form, and exponents are slopes."""

import json
import os
import subprocess
import sys

import pytest

from benchmarks.growth import CURVES, exponent


def test_exponents_are_slopes():
    assert exponent((10, 1000), (3, 300)) == pytest.approx(1)
    assert exponent((2, 4), (5, 20)) == pytest.approx(2)
    assert exponent((2, 4), (5, 5)) == 0


@pytest.mark.slow
def test_quick_form_measures_two_sizes_of_everything(root, tmp_path):
    path = tmp_path / "growth.json"
    command = [sys.executable, "benchmarks/growth.py", "--quick", f"--json={path}"]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    subprocess.run(command, cwd=root, env=environment, check=True, stdout=subprocess.PIPE)
    rows = json.loads(path.read_text())["rows"]
    assert list(rows) == list(CURVES)
    for first, second in rows.values():
        assert second["size"] > first["size"]
        for cost in ("seconds", "megabytes"):
            assert min(first[cost], second[cost]) > 0
            slope = exponent((first["size"], second["size"]), (first[cost], second[cost]))
            assert second[f"{cost}_exponent"] == pytest.approx(slope, abs=0.01)
    small, large = rows["batch"]
    assert large["seconds"] > small["seconds"]
