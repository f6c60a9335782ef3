"""The guard names what got slower beside its peer, and nothing else."""

import json
import re

import pytest

from benchmarks import guard
from benchmarks.guard_pairs import Pair


def ratios(**values):
    return {name: {"ratio": r, "peer": "it", "spread": [r, r]} for name, r in values.items()}


def test_only_what_lost_more_than_a_tenth_is_worse():
    table = ratios(train=1.0, predict=2.0, read=0.8, gone=1.0)
    found = ratios(train=0.91, predict=1.79, read=1.6, new=0.01)
    assert guard.worse(table, found) == ["predict"]
    text = guard.format_rows(table, found)
    assert re.findall(r"^(\w+) .*WORSE$", text, re.MULTILINE) == ["predict"]
    assert re.search(r"^new +new +0\.01", text, re.MULTILINE)
    assert re.search(r"^gone +is in the table and was not measured", text, re.MULTILINE)


def test_the_ratio_is_the_median_of_pairs_without_the_first():
    """One disturbed round of each side, and a slow first one, change nothing."""
    ours, peer = iter([9.0, 1.0, 1.0, 50.0, 1.0, 1.0]), iter([1.0, 2.0, 80.0, 2.0, 2.0, 2.0])
    pair = Pair("work", "peer", lambda: next(ours), lambda: next(peer), rounds=5)
    row = guard.measure(pair)
    assert row["ratio"] == pytest.approx(2.0)
    assert row["spread"] == [0.04, 80.0]


def test_the_committed_table_has_eight_ratios_and_says_where_they_are_from():
    table = json.loads(guard.TABLE.read_text())
    assert len(table["ratios"]) == 8
    for row in table["ratios"].values():
        low, high = row["spread"]
        assert 0 < low <= row["ratio"] <= high
    assert all(table[key] for key in ("processor", "date", "commit", "note"))
