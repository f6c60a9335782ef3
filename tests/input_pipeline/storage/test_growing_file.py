"""Files that outlive kills and are gone on with."""

import fcntl
import json
import os

import pytest

from input_pipeline.errors import UserError
from input_pipeline.storage import growing_file as growing
from input_pipeline.storage.growing_file import growing_file

MADE_OF = {"files": 3, "excel": False}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "t.csv"


def interrupt(path, content, resume=False):
    def work():
        with growing_file(path, MADE_OF, resume=resume) as grown:
            grown.file.write(content)
            grown.keep()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()


def test_a_file_takes_its_place_when_it_is_whole(path):
    path.write_bytes(b"yesterday's")
    with growing_file(path, MADE_OF, resume=False) as grown:
        grown.file.write(b"today's")
        grown.keep()
        assert path.read_bytes() == b"yesterday's"
        assert growing.partial_of(path).read_bytes() == b"today's"
    assert path.read_bytes() == b"today's"
    assert os.listdir(path.parent) == ["t.csv"]


def test_what_was_left_is_neither_overwritten_nor_mixed(path):
    interrupt(path, b"1")
    with pytest.raises(UserError, match=r"t\.csv\.partial holds what an earlier run has done; add"):
        growing_file(path, MADE_OF, resume=False).__enter__()
    with pytest.raises(UserError, match=r"made otherwise: files was 3, is 4\. Give what it was"):
        growing_file(path, MADE_OF | {"files": 4}, resume=True).__enter__()
    with growing_file(path, MADE_OF, resume=True) as grown:
        assert grown.file.read() == b"1"
        grown.file.write(b"2")
    assert path.read_bytes() == b"12"


def test_a_file_of_which_nothing_is_known_is_refused(path):
    growing.partial_of(path).write_bytes(b"1")
    with pytest.raises(UserError, match=r"t\.csv\.partial\.json is missing or damaged"):
        growing_file(path, MADE_OF, resume=True).__enter__()
    assert growing.partial_of(path).read_bytes() == b"1"


def test_nothing_is_left_of_a_run_that_did_nothing(path):
    interrupt(path, b"")
    interrupt(path, b"", resume=True)
    assert os.listdir(path.parent) == []


def test_two_processes_do_not_write_one_file(path):
    with growing_file(path, MADE_OF, resume=False) as grown:
        with pytest.raises(UserError, match="another process is writing"):
            growing_file(path, MADE_OF, resume=True).__enter__()
        grown.file.write(b"1")
    assert path.read_bytes() == b"1"


def test_a_disk_without_locks_is_no_hindrance(path, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with growing_file(path, MADE_OF, resume=False) as grown:
        grown.file.write(b"1")
    assert path.read_bytes() == b"1"


def test_what_was_written_is_on_disk_after_a_while(path, monkeypatch):
    synced = []
    monkeypatch.setattr(growing.os, "fsync", lambda descriptor: synced.append(descriptor))
    now = [0.0]
    monkeypatch.setattr(growing.time, "monotonic", lambda: now[0])
    with growing_file(path, MADE_OF, resume=False) as grown:
        grown.file.write(b"1")
        synced.clear()
        grown.keep()
        assert not synced
        assert growing.partial_of(path).read_bytes() == b"1", "a kill takes nothing back"
        now[0] = 5.0
        grown.keep()
        assert len(synced) == 1


def test_a_kill_between_the_last_two_steps_is_mended(path):
    path.write_bytes(b"whole")
    note = path.with_name("t.csv.partial.json")
    note.write_text(json.dumps(MADE_OF))
    growing.forget(path)
    assert os.listdir(path.parent) == ["t.csv"]
