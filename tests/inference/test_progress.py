"""What is said while images are scored."""

import sys

import pytest

from npr_jax.inference import progress


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def images(clock, count, seconds):
    for number in range(count):
        clock[0] += seconds
        yield number


def test_in_a_log_there_is_a_line_a_minute(clock, capsys):
    """Of 1,000 images, 100 of them an earlier run's, at one each 2 seconds."""
    assert list(progress.watched(images(clock, 900, 2.0), 1000, done=100)) == [*range(900)]
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 29
    assert lines[0] == "130 of 1,000 images, 0.5 images/s, 0:29:00 left"
    assert lines[-1] == "970 of 1,000 images, 0.5 images/s, 0:01:00 left"


def test_a_terminal_has_a_bar_with_rate_and_time_left(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert list(progress.watched(range(4), 10, done=6)) == [0, 1, 2, 3]
    said = capsys.readouterr().err
    assert "6/10" in said
    assert "10/10" in said
    assert "img/s" in said
