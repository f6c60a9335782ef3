"""The comparison of times, without the networks."""

import time

from benchmarks.shipped_detector import best_seconds


def test_the_best_round_counts_after_one_that_does_not():
    """Waiting costs no processor time, and the variants take turns."""
    calls = []

    def spin(seconds):
        end = time.process_time() + seconds
        while time.process_time() < end:
            pass

    def slower_and_slower():
        calls.append("work")
        spin({1: 0.0, 3: 0.02}.get(len(calls), 0.08))

    def wait():
        calls.append("wait")
        time.sleep(0.05)

    found = best_seconds({"work": slower_and_slower, "wait": wait}, rounds=3)
    assert calls == ["work", "wait"] * 4
    assert 0.02 <= found["work"].processor < 0.08
    assert found["wait"].processor < 0.04 < found["wait"].wall
