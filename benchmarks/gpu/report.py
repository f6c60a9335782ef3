"""The table of a GPU run: a line for each finding, and for each step that did not pass."""

from __future__ import annotations

from typing import Any

from benchmarks.gpu import finding
from benchmarks.gpu.finding import Finding

REHEARSAL = (
    "REHEARSAL in small on a CPU, or with --rehearsal: no figure here says anything of a GPU."
)
RATIO = 1.2  # of tuned PyTorch, in training
RATES = {"train": 10_000, "predict": 30_000}  # images/s at 224 pixels in bfloat16, on an H100
BRANCHES = 0.95


def of_step(row: dict[str, Any]) -> list[Finding]:
    """Of a row of `benchmarks/step.py`."""
    what = f"{row['work']}, batch {row['batch']}, {row['side']} pixels, {row['dtype']}"
    ratio, rate = row["ratio"], row["ours_images_per_second"]
    compared = f"{what}: times {row['peer']}"
    found = [
        finding.at_least(f"{what}: images/s", rate, RATES[row["work"]]),
        finding.fact(f"{what}: images/s of PyTorch", row["peer_images_per_second"]),
        finding.at_least(compared, ratio, RATIO)
        if row["work"] == "train"
        else finding.fact(compared, ratio),
    ]
    for side in ("ours", "peer"):
        if row[f"{side}_megabytes"] is not None:
            label = f"{what}: MB of device memory, {side}"
            found.append(finding.fact(label, row[f"{side}_megabytes"]))
    return found


def of_branches(row: dict[str, Any]) -> list[Finding]:
    """Of a row of `benchmarks/branches.py`."""
    what = f"{row['backbone']}, batch {row['batch']}, {row['variant']}"
    label = f"{what}: FLOP/s by those of one branch"
    if row["variant"] == "one":
        return [finding.fact(f"{what}: TFLOP/s", row["flops_per_second"] / 1e12)]
    return [finding.at_least(label, row["ratio"], BRANCHES)]


def findings(results: dict[str, Any] | None) -> list[Finding]:
    """What a step's JSON says."""
    results = results or {}
    if "findings" in results:
        return finding.read(results)
    return [
        line
        for row in results.get("rows", [])
        for line in (of_branches(row) if "variant" in row else of_step(row))
    ]


def table(whole: dict[str, Any]) -> str:
    """All of it as text; a step that did not pass says why on its first line."""
    lines = [REHEARSAL] if whole["rehearsal"] else []
    for name, row in whole["steps"].items():
        passed = row["status"] == "passed"
        seconds = f"{row['seconds']:.0f} s"
        lines.append(f"{name} ({seconds})" if passed else f"{name}: {row['status']} ({seconds})")
        for found in findings(row.get("results")):
            met = {None: "", True: "  met", False: "  MISSED"}[found.met]
            met = "" if whole["rehearsal"] else met
            goal = f"  ({found.goal}){met}" if found.goal else ""
            lines.append(f"  {found.what}: {found.found}{goal}")
    return "\n".join(lines)
