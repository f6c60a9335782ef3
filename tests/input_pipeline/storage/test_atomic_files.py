"""Files and directories that are there whole or not at all, also after SIGKILL at any step."""

import errno
import itertools
import multiprocessing
import os
import pathlib
import signal
import threading

import pytest

from input_pipeline.errors import UserError
from input_pipeline.storage import atomic_files
from input_pipeline.storage.atomic_files import (
    new_directory,
    replaced_directory,
    resumable_directory,
    whole_file,
    write_file,
    write_json,
    write_together,
)

CALLS = ("replace", "rename", "unlink", "rmdir", "mkdir")


def killed_in(work, monkeypatch_calls):
    """Runs `work` in a child that dies by SIGKILL before the given call; returns whether it did."""
    child = os.fork()
    if child == 0:
        count = 0

        def dying(function):
            def call(*arguments, **options):
                nonlocal count
                if count == monkeypatch_calls:
                    os.kill(os.getpid(), signal.SIGKILL)
                count += 1
                return function(*arguments, **options)

            return call

        for name in CALLS:
            setattr(os, name, dying(getattr(os, name)))
        atomic_files._exchange = dying(atomic_files._exchange)
        work()
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def replace(target, text):
    with replaced_directory(target) as folder:
        (folder / "a.txt").write_text(text)
        (folder / "sub").mkdir()
        (folder / "sub" / "b.txt").write_text(text)


def fail(making):
    with making as made:
        if isinstance(made, pathlib.Path):
            assert list(made.iterdir()) == []
            (made / "a.txt").write_text("half")
        else:
            made.write(b"half")
        raise RuntimeError


def content(folder):
    return {p.relative_to(folder).as_posix(): p.read_text() for p in folder.rglob("*.txt")}


def whole(text):
    return {"a.txt": text, "sub/b.txt": text}


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_kill_at_any_step_loses_neither_the_old_directory_nor_the_new(
    tmp_path, monkeypatch, can_exchange
):
    if not can_exchange:  # as on NFS, and on systems other than Linux
        monkeypatch.setattr(atomic_files, "_exchange", lambda first, second: False)
    target = tmp_path / "out"
    killed = 0
    while True:
        replace(target, "old")
        if not killed_in(lambda: replace(target, "new"), killed):
            break
        killed += 1
        found = content(target) if target.exists() else None
        if can_exchange:
            assert found in (whole("old"), whole("new"))
        # The next use brings back what the kill has hidden, also where it fails itself.
        with pytest.raises(RuntimeError):
            fail(replaced_directory(target))
        assert content(target) in (whole("old"), whole("new"))
        assert os.listdir(tmp_path) == ["out"]
    assert killed >= 3
    assert content(target) == whole("new")
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="only Linux swaps directories in one step")
def test_a_reader_finds_a_directory_at_any_moment_while_it_is_replaced(tmp_path):
    target = tmp_path / "out"
    replace(target, "0")
    done = threading.Event()

    def write():
        for number in range(40):
            replace(target, str(number))
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        assert target.is_dir()
    writer.join()
    assert content(target) == whole("39")


def test_a_directory_behind_a_link_is_replaced_where_it_is(tmp_path):
    (tmp_path / "far").mkdir()
    replace(tmp_path / "far" / "real", "old")
    (tmp_path / "link").symlink_to(tmp_path / "far" / "real")
    replace(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert content(tmp_path / "far" / "real") == whole("new")
    assert sorted(os.listdir(tmp_path)) == ["far", "link"]
    assert os.listdir(tmp_path / "far") == ["real"]


def test_an_error_keeps_the_earlier_directory_and_leaves_nothing(tmp_path):
    replace(tmp_path / "out", "old")
    with pytest.raises(RuntimeError):
        fail(replaced_directory(tmp_path / "out"))
    assert content(tmp_path / "out") == whole("old")
    assert os.listdir(tmp_path) == ["out"]


@pytest.mark.parametrize("step", [1, 2])
def test_ctrl_c_between_the_renames_of_a_directory_keeps_the_earlier_one(
    tmp_path, monkeypatch, step
):
    monkeypatch.setattr(atomic_files, "_exchange", lambda first, second: False)
    target = tmp_path / "out"
    replace(target, "old")
    steps = itertools.count(1)

    def interrupted(source, destination, rename=os.replace):
        if next(steps) == step:
            raise KeyboardInterrupt
        rename(source, destination)

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        replace(target, "new")
    assert content(target) == whole("old")
    assert os.listdir(tmp_path) == ["out"]


def test_ctrl_c_before_a_result_of_one_file_is_renamed_keeps_the_earlier_one(tmp_path, monkeypatch):
    atomic_files.write_together(tmp_path, {"400.json": "old"})

    def interrupted(*names):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        atomic_files.write_together(tmp_path, {"400.json": "new"})
    assert (tmp_path / "400.json").read_text() == "old"


@pytest.mark.parametrize("what", ["file", "json", "together"])
def test_a_kill_while_a_file_is_written_leaves_the_old_one_and_the_next_writer_tidies(
    tmp_path, what
):
    def write(text):
        if what == "file":
            write_file(tmp_path / "f", text)
        elif what == "json":
            write_json(tmp_path / "f", text)
        else:
            write_together(tmp_path, {"f": text})

    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    write("old")
    old = (tmp_path / "f").read_text()
    child = os.fork()
    if child == 0:
        with whole_file(tmp_path / "f") as file:
            file.write(b"half" * 100)
            file.flush()
            die()
    os.waitpid(child, 0)
    assert (tmp_path / "f").read_text() == old
    assert len(os.listdir(tmp_path)) == 2
    write("new")
    assert "new" in (tmp_path / "f").read_text()
    assert os.listdir(tmp_path) == ["f"]


def test_nothing_is_left_of_a_file_that_could_not_be_finished(tmp_path):
    write_file(tmp_path / "f", "old")
    with pytest.raises(RuntimeError):
        fail(whole_file(tmp_path / "f"))
    assert (tmp_path / "f").read_text() == "old"
    assert os.listdir(tmp_path) == ["f"]


def _write_often(path, letter):
    for _ in range(20):
        write_file(path, letter * 100_000)


def test_two_processes_that_write_one_file_take_turns(tmp_path):
    context = multiprocessing.get_context("fork")
    writers = [
        context.Process(target=_write_often, args=(tmp_path / "f", letter)) for letter in "ab"
    ]
    for writer in writers:
        writer.start()
    found = set()
    while any(writer.is_alive() for writer in writers):
        if (tmp_path / "f").exists():
            text = (tmp_path / "f").read_text()
            assert len(text) == 100_000
            found |= set(text)
            assert len(set(text)) == 1
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert found <= set("ab")
    assert os.listdir(tmp_path) == ["f"]


def test_the_last_file_of_a_result_vouches_for_the_others(tmp_path):
    write_together(tmp_path, {"table": "1", "picture": b"1", "results": "1"})
    killed = 0
    while killed_in(
        lambda: write_together(tmp_path, {"table": "2", "results": "2"}, stale=["picture"]), killed
    ):
        killed += 1
        if (tmp_path / "results").exists() and (tmp_path / "results").read_text() == "2":
            assert (tmp_path / "table").read_text() == "2"
        elif (tmp_path / "results").exists():
            assert [(tmp_path / n).read_text() for n in ("table", "picture")] == ["1", "1"]
        write_together(tmp_path, {"table": "1", "picture": b"1", "results": "1"})
    assert killed >= 3
    assert sorted(os.listdir(tmp_path)) == ["results", "table"]


def test_names_of_files_that_are_no_utf8_come_back_as_they_were(tmp_path):
    name = os.fsdecode(b"caf\xe9")
    write_file(tmp_path / "f", name)
    assert (tmp_path / "f").read_bytes() == b"caf\xe9"


def test_of_two_processes_that_make_one_new_directory_the_second_is_refused(tmp_path):
    with (
        new_directory(tmp_path / "out") as folder,
        pytest.raises(UserError, match="another process is writing"),
        new_directory(tmp_path / "out"),
    ):
        pass
    assert (tmp_path / "out").is_dir()
    assert not folder.exists()


def test_a_new_directory_starts_empty_after_a_kill_and_a_resumable_one_does_not(tmp_path):
    for make, kept in (
        (lambda: new_directory(tmp_path / "new"), False),
        (lambda: resumable_directory(tmp_path / "more", {"a": 1}), True),
    ):
        child = os.fork()
        if child == 0:
            with make() as folder:
                (folder / "half").write_text("x")
                os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)
        with make() as folder:
            assert (folder / "half").exists() == kept
            (folder / "rest").write_text("y")
    assert sorted(os.listdir(tmp_path)) == ["more", "new"]


def test_on_a_disk_without_locks_writers_do_not_meet(tmp_path, monkeypatch):
    def refuse(descriptor, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with whole_file(tmp_path / "f") as first:
        first.write(b"a")
        thread = threading.Thread(target=write_file, args=(tmp_path / "f", "b"))
        thread.start()
        thread.join()
        assert (tmp_path / "f").read_text() == "b"
    assert (tmp_path / "f").read_text() == "a"
    with new_directory(tmp_path / "d") as folder:
        (folder / "x").write_text("x")
    replace(tmp_path / "out", "old")
    replace(tmp_path / "out", "new")
    assert content(tmp_path / "out") == whole("new")
    with (
        pytest.raises(UserError, match="no file locks"),
        resumable_directory(tmp_path / "r", {}),
    ):
        pass
    assert sorted(os.listdir(tmp_path)) == ["d", "f", "out"]
