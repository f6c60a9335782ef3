"""A small reliability campaign: what is killed ends as if nothing had come between."""

import json
import os
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_killed_predictions_end_in_the_same_bytes(root, tmp_path):
    path = tmp_path / "kills.json"
    command = [sys.executable, "benchmarks/faults.py", "predict", "--kills=2", "--pictures=30"]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    result = subprocess.run(
        [*command, f"--json={path}"], cwd=root, env=environment, text=True, capture_output=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
    kills = json.loads(path.read_text())
    assert [kill["same"] for kill in kills] == [True, True]
    assert kills[1]["bytes_there"] > 0, "the second kill comes when rows are there"


@pytest.mark.slow
def test_killed_conversions_lose_and_double_nothing(root, tmp_path):
    path = tmp_path / "kills.json"
    command = [sys.executable, "benchmarks/faults.py", "conversion", "--kills=3"]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    result = subprocess.run(
        [*command, f"--json={path}"], cwd=root, env=environment, text=True, capture_output=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
    kills = json.loads(path.read_text())
    assert [kill["kind"] for kill in kills] == ["any moment", "at a shard", "while named"]
    assert all(kill["same"] for kill in kills)
    assert not any(kill["lost"] or kill["doubled"] for kill in kills)
