"""The GPU table says what each step's JSON says, and whether the goals are met."""

import math

import pytest

from benchmarks.gpu import finding, report


def row(**changes):
    return {
        "work": "train",
        "batch": 256,
        "side": 224,
        "dtype": "bfloat16",
        "ours_images_per_second": 12_000.0,
        "peer_images_per_second": 11_000.0,
        "ratio": 1.091,
        "peer": "PyTorch, torch.compile reduce-overhead",
        "ours_megabytes": 9_000.0,
        "peer_megabytes": None,
    } | changes


def test_training_has_a_goal_for_its_rate_and_for_its_ratio():
    steps = {"train 256": {"status": "passed", "seconds": 61.7, "results": {"rows": [row()]}}}
    lines = report.table({"rehearsal": False, "steps": steps}).splitlines()
    what = "  train, batch 256, 224 pixels, bfloat16: "
    assert lines == [
        "train 256 (62 s)",
        f"{what}images/s: 12,000  (at least 10,000)  met",
        f"{what}images/s of PyTorch: 11,000",
        f"{what}times PyTorch, torch.compile reduce-overhead: 1.09  (at least 1.2)  MISSED",
        f"{what}MB of device memory, ours: 9,000",
    ]


def test_a_rehearsal_meets_and_misses_nothing():
    steps = {"train 256": {"status": "passed", "seconds": 1.0, "results": {"rows": [row()]}}}
    table = report.table({"rehearsal": True, "steps": steps})
    assert table.startswith("REHEARSAL")
    assert "(at least 10,000)" in table
    assert "met" not in table.partition("\n")[2]
    assert "MISSED" not in table


def test_prediction_has_a_goal_for_its_rate_alone():
    found = report.findings({"rows": [row(work="predict", ratio=0.5)]})
    assert [line.met for line in found] == [False, None, None, None]


def test_branches_are_compared_with_one():
    rows = [
        {
            "backbone": "light_resnet",
            "batch": 256,
            "variant": name,
            "ratio": ratio,
            "flops_per_second": 2.5e13,
        }
        for name, ratio in (("one", 1.0), ("loop", 0.96), ("batched", 0.5))
    ]
    assert [line.met for line in report.findings({"rows": rows})] == [None, True, False]


@pytest.mark.parametrize(("value", "met"), [(1e-5, True), (1e-3, False), (math.nan, False)])
def test_what_is_no_number_meets_no_goal(value, met):
    assert finding.at_most("apart", value, 1e-4).met is met
    assert not finding.at_least("rate", math.nan, 1).met
