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
    results = json.loads(out.read_text())
    rates = results["images_per_second"]
    assert all(rate > 0 for rate in rates.values())
    assert {name.split()[0] for name in rates} == {"decode", "ours", "torch"}
    assert "ours decoded" in result.stdout
    assert rates["ours decoded 0 workers"] > max(
        rate for name, rate in rates.items() if name.startswith("torch PNG")
    )
    for kind, library in (("PNG", "libspng"), ("JPEG", "simplejpeg")):
        ceilings = [
            rate for name, rate in rates.items() if name.startswith(f"decode {kind} {library} ")
        ]
        found = {row["what"]: row["found"] for row in results["targets"]}
        plain = (f"ours {kind} 0 workers", f"ours {kind} 0 workers to the device")
        ours = max(rates[name] for name in plain)
        assert found[f"{kind} over the library alone"] == pytest.approx(ours / max(ceilings))
    times = results["first_batch_seconds"]["0 workers"]
    assert 0 < times["from_call"] < times["from_process_start"]
    # The larger data set is 25 MB larger, far more than a process varies by itself.
    small, large = results["peak_memory_megabytes"].values()
    assert large < small + 15
    if sys.platform == "linux":
        assert set(results["images_per_second_on_cores"]["1"]) == {"PNG", "JPEG", "decoded"}
