"""prepare, killed: the next run goes on, and what comes out is what an undisturbed run writes."""

import functools
import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from input_pipeline.errors import UserError
from input_pipeline.storage.prepared_dataset import PreparedDataset
from input_pipeline.storage.tfrecord import TFRecordSource
from tests.trees import contents, prepare, records, save

# Each round is a child process that dies by SIGKILL at a chosen point, and goes on where the last
# one died.
RUN = """
import os, signal, sys, warnings
from input_pipeline.prepare.prepare import prepare
from input_pipeline.prepare.sources import find_source

def run(source, output, workers, after_files=None, after_calls=None):
    warnings.simplefilter("ignore")
    def die():
        os.kill(os.getpid(), signal.SIGKILL)
    calls = 0
    def counting(function):
        def call(*arguments, **options):
            nonlocal calls
            if calls == after_calls:
                die()
            calls += 1
            return function(*arguments, **options)
        return call
    if after_calls is not None:
        os.replace, os.fsync, os.mkdir = map(counting, (os.replace, os.fsync, os.mkdir))
    first = None
    def progress(seen, total):
        nonlocal first
        first = seen if first is None else first
        if after_files is not None and seen - first >= after_files:
            die()
    prepare(find_source(source), output, workers=workers, shard_bytes=6000, progress=progress)

def child(*arguments, **options):
    pid = os.fork()
    if pid == 0:
        run(*arguments, **options)
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """120 images of two generators and some files that are none."""
    root = tmp_path_factory.mktemp("interrupted") / "in"
    for index in range(120):
        folder = ("0_real", "1_fake")[index % 2]
        save(
            root / f"{('progan', 'stargan')[index // 60]}/{folder}/{index:03d}.png", index, (16, 12)
        )
    for index in (0, 55, 119):
        (root / f"progan/1_fake/{index:03d}bad.png").write_bytes(b"no image")
    return root


@pytest.fixture(scope="module")
def undisturbed(source, tmp_path_factory):
    """What a run writes that nobody kills."""
    output = tmp_path_factory.mktemp("undisturbed") / "out"
    python(f"run({str(source)!r}, {str(output)!r}, 0)")
    return contents(output)


def python(code):
    command = [sys.executable, "-c", RUN + code]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout


def test_killed_at_random_files(source, undisturbed, tmp_path):
    """At 25 random points of one conversion, between files and inside shards."""
    output = tmp_path / "out"
    draw = random.Random(0)
    code = "\n".join(
        f"print(child({str(source)!r}, {str(output)!r}, 0, after_files={draw.randint(3, 9)}))"
        for _ in range(25)
    )
    killed = python(code).split()
    assert killed.count("True") >= 20
    if not output.exists():
        python(f"run({str(source)!r}, {str(output)!r}, 0)")
    assert contents(output) == undisturbed


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_folders_that_go_away_stop_a_conversion_which_then_goes_on(tmp_path, workers):
    """As where a disk is unplugged: what is gone is not left out as if it were no image."""
    source, output = tmp_path / "in", tmp_path / "out"
    for index in range(160):  # two processes may have read 80 of them when the folder goes
        save(source / ("0_real", "1_fake")[index % 2] / f"{index:03d}.png", index, (16, 12))
    write = functools.partial(prepare, source, workers=workers, shard_bytes=6000)
    write(tmp_path / "whole")
    gone, away = source / "1_fake", tmp_path / "away"

    def unplug(seen, total):
        if seen == 20:
            gone.rename(away)

    with pytest.raises(UserError, match=r"1_fake.*\.png is gone since .*give the same command"):
        write(output, progress=unplug)
    assert not output.exists()
    away.rename(gone)
    write(output)
    assert contents(output) == contents(tmp_path / "whole")


@pytest.mark.slow
def test_killed_at_every_step_of_the_file_system(source, tmp_path):
    """Before every rename, every flush to disk and every new directory, from the first to the last.

    A conversion whose shards are done renames them, writes tables and publishes the directory: a
    run that dies in between must neither lose nor repeat any of it.
    """
    part = source / "stargan"
    code = f"""
run({str(part)!r}, {str(tmp_path / "whole")!r}, 0)
calls = killed = 0
while True:
    output = {str(tmp_path)!r} + f"/out{{calls}}"
    dead = child({str(part)!r}, output, 0, after_calls=calls)
    killed += dead
    if dead:
        run({str(part)!r}, output, 0)
    calls += 1
    if not dead:
        break
print(killed)
"""
    killed = int(python(code))
    assert killed > 40
    undisturbed = contents(tmp_path / "whole")
    for calls in range(killed + 1):
        assert contents(tmp_path / f"out{calls}") == undisturbed, calls


@pytest.mark.slow
def test_killed_at_random_times_with_worker_processes(source, undisturbed, tmp_path):
    """The whole process tree is on its own: killing the parent leaves no worker behind."""
    output = tmp_path / "out"
    code = RUN + f"run({str(source)!r}, {str(output)!r}, 2)"
    draw = random.Random(1)
    for _ in range(5):
        process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
        time.sleep(draw.uniform(0.5, 3))
        process.send_signal(signal.SIGKILL)
        process.wait()
        deadline = time.monotonic() + 120
        while processes_of(process.pid) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not processes_of(process.pid)
    if not output.exists():
        subprocess.run([sys.executable, "-c", code], check=True)
    assert contents(output) == undisturbed


def processes_of(session):
    """The living processes of a session."""
    listing = subprocess.run(["ps", "-o", "pid=,stat=", "-s", str(session)], capture_output=True)
    return [line for line in listing.stdout.splitlines() if b"Z" not in line]


def test_nothing_is_taken_for_whole_that_is_not(source, tmp_path):
    """While a run is under way there is no data set, and its half-written shard counts nowhere."""
    output, seen = tmp_path / "out", []

    def look(count, total):
        [folder] = [path for path in tmp_path.iterdir() if path.name.endswith(".partial")]
        seen.append(output.exists())
        finished = {path.stem for path in folder.glob("progress/*.json")}
        for name in finished:
            facts = json.loads((folder / "progress" / f"{name}.json").read_text())
            assert len(TFRecordSource([folder / name])) == facts["records"]

    prepare(source, output, progress=look, shard_bytes=6000)
    assert seen == [False] * 123
    dataset = PreparedDataset.load(output)
    names = [record.filename for record in records(dataset, "test")]
    assert len(names) == len(set(names)) == 120
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".partial")]


def test_another_plan_or_source_is_not_continued(source, tmp_path):
    root = tmp_path / "in"
    for index in range(6):
        save(root / f"g/0_real/{index}.png", index)

    def stop(seen, total):
        if seen == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(root, tmp_path / "out", shard_bytes=3000, progress=stop)
    with pytest.raises(ValueError, match=r"storage was 'encoded', is 'decoded'.*remove"):
        prepare(root, tmp_path / "out", shard_bytes=3000, storage="decoded")
    save(root / "g/0_real/0.png", 99)
    with pytest.raises(ValueError, match=r"source_sha256 was"):
        prepare(root, tmp_path / "out", shard_bytes=3000)


def test_two_runs_at_once_are_refused(source, tmp_path):
    errors = []

    def meanwhile(seen, total):
        if seen == 2:
            with pytest.raises(ValueError, match="another process is writing"):
                prepare(source, tmp_path / "out")
            errors.append(seen)

    prepare(source, tmp_path / "out", progress=meanwhile)
    assert errors == [2]


def test_shards_are_finished_before_the_next_begins(source, tmp_path):
    """Memory and work at risk are one shard, not the data set."""
    open_shards = []

    def look(seen, total):
        [folder] = [path for path in tmp_path.iterdir() if path.name.endswith(".partial")]
        open_shards.append(len([n for n in os.listdir(folder) if n.endswith(".partial")]))

    prepare(source, tmp_path / "out", progress=look, shard_bytes=6000)
    assert max(open_shards) == 1


def test_a_shard_that_is_gone_is_not_taken_for_written(source, tmp_path):
    def stop(seen, total):
        if seen == 60:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(source, tmp_path / "out", shard_bytes=6000, progress=stop)
    (tmp_path / ".out.partial" / "test-00001").unlink()
    with pytest.raises(ValueError, match=r"has 0 bytes; \d+ were written\. Remove the directory"):
        prepare(source, tmp_path / "out", shard_bytes=6000)
    assert not (tmp_path / "out").exists()
