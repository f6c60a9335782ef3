"""The step benchmark's quick form runs and says what it measured."""

import json
import os
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_quick_form_writes_every_row(root, tmp_path):
    path = tmp_path / "step.json"
    command = [sys.executable, "benchmarks/step.py", "--quick", f"--json={path}"]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    result = subprocess.run(
        command, cwd=root, env=environment, check=True, text=True, capture_output=True
    )
    written = json.loads(path.read_text())
    assert [row["work"] for row in written["rows"]] == ["train", "predict", "score"]
    for row in written["rows"]:
        ours, peer = row["ours_images_per_second"], row["peer_images_per_second"]
        assert ours > 0
        assert row["ratio"] == pytest.approx(ours / peer, abs=0.01)
        assert f"{row['ours_images_per_second']:.2f}" in result.stdout
