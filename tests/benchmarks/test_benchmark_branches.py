"""The branch benchmark's quick form runs, and its ratios are those of its own numbers."""

import json
import os
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_quick_form_writes_every_row(root, tmp_path):
    path = tmp_path / "branches.json"
    command = [sys.executable, "benchmarks/branches.py", "--quick", f"--json={path}"]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    subprocess.run(command, cwd=root, env=environment, check=True, capture_output=True)
    rows = {row["variant"]: row for row in json.loads(path.read_text())["rows"]}
    assert list(rows) == ["one", "loop", "batched", "shared"]
    one = rows["one"]["flops"] / rows["one"]["seconds"]
    for row in rows.values():
        expected = row["flops"] / row["seconds"] / one
        assert row["ratio"] == pytest.approx(expected, rel=0.01)
    # Three branches are three times the work of one but for the head and the optimizer.
    for name in ("loop", "batched"):
        assert rows[name]["flops"] == pytest.approx(3 * rows["one"]["flops"], rel=0.02)
