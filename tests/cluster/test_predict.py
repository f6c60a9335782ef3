"""``predict --engine=ray``: pictures in, Parquet out, each exactly once whatever dies."""

import contextlib
import csv
import dataclasses
import errno
import hashlib
import os
import pathlib
import signal
import subprocess
import sys
import threading

import pytest
from PIL import Image

import npr_jax
from tests import runs
from tests.patience import PATIENCE, wait_for

ray = pytest.importorskip("ray", reason="needs the extra ray")
psutil = pytest.importorskip("psutil")
pytest.importorskip("pyarrow")
from pyarrow import dataset, parquet  # noqa: E402

from benchmarks import ray_faults  # noqa: E402
from benchmarks.simulated_scorer import SimulatedScorer, write_table  # noqa: E402
from input_pipeline.errors import UserError  # noqa: E402
from npr_jax.cli.main import run  # noqa: E402
from npr_jax.cluster import predict  # noqa: E402
from npr_jax.cluster.session import session  # noqa: E402

pytestmark = [
    pytest.mark.slow,
    # Ray's own, about the process that it starts its servers from and files it leaves to the end.
    pytest.mark.filterwarnings("default"),
]


@pytest.fixture(scope="module")
def cluster():
    """A small Ray cluster; RAY_ADDRESS names one that is there already."""
    address = os.environ.get("RAY_ADDRESS", "")
    with session(ray, address, num_cpus=3):
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Nine pictures and a file that is none."""
    root = tmp_path_factory.mktemp("images")
    for index in range(9):
        Image.fromarray(runs.picture(index, bool(index % 2))).save(root / f"{index}.png")
    (root / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    return root


def results(output):
    return dataset.dataset(output).to_table().to_pylist()


def by_ray(*arguments):
    return run(["predict", "--engine=ray", "--block_rows=4", "--workers=1", *map(str, arguments)])


@pytest.fixture(scope="module")
def done(cluster, folder, tmp_path_factory):
    output = tmp_path_factory.mktemp("scores") / "new"
    assert by_ray(folder, f"--output={output}") == 1  # one of them is no picture
    return output


def test_scores_are_those_of_plain_predict(done, folder, tmp_path):
    plain = tmp_path / "plain.csv"
    assert run(["predict", str(folder), f"--output={plain}"]) == 1
    with open(plain, newline="") as file:
        expected = {row["path"]: row for row in csv.DictReader(file)}
    found = results(done)
    assert sorted(row["id"] for row in found) == sorted(expected)
    for row in found:
        want = expected[row["id"]]
        assert row["sha256"] == hashlib.sha256(pathlib.Path(row["path"]).read_bytes()).hexdigest()
        assert (row["verdict"], row["error"]) == (want["verdict"], want["error"])
        if row["error"]:
            assert row["id"].endswith("broken.jpg")
            assert row["score"] is None
        else:
            assert row["score"] == pytest.approx(float(want["score"]), abs=1e-5)
        detector = npr_jax.Detector.default()
        assert row["detector"] == detector.title
        assert row["detector_sha256"] == detector.weights_sha256


def test_a_finished_job_started_again_does_nothing_and_says_so(done, folder, capsys):
    before = sorted((path.name, path.stat().st_mtime_ns) for path in done.glob("*.parquet"))
    assert by_ray(folder, f"--output={done}") == 1
    assert "is finished already: 10 pictures" in capsys.readouterr().err
    assert sorted((p.name, p.stat().st_mtime_ns) for p in done.glob("*.parquet")) == before


def test_a_job_begun_otherwise_is_refused(done, folder, capsys):
    assert by_ray(folder / "1.png", f"--output={done}") == 2
    assert "was begun otherwise" in capsys.readouterr().err


def workers_of(address):
    """The processes that score for the cluster at an address."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.name().startswith("ray::") and "MapBatches(Worker)" in "".join(
                process.cmdline()
            ):
                raylet = process.parent().cmdline()
                found += [process] if any(address in word for word in raylet) else []
    return found


def test_who_is_killed_goes_on(cluster, tmp_path, capsys):
    """First the driver, half-way, then of the driver that goes on a worker."""
    address = ray.get_runtime_context().gcs_address
    write_table(tmp_path / "pictures.parquet", 100)
    hold = tmp_path / ray_faults.HOLD
    hold.touch()  # neither job can end before somebody is killed
    command = [sys.executable, "-c", ray_faults.ROUND, str(tmp_path), address]
    driver = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    noted = tmp_path / "scores" / "_job" / "checkpoint"
    try:
        wait_for(lambda: done_of(noted), driver)
    finally:
        driver.kill()
        driver.wait()
    wait_for(lambda: not workers_of(address))
    kept, before = done_of(noted), ray_faults.scored_in(tmp_path)

    def kill_a_worker():
        killed.append(wait_for(lambda: workers_of(address))[0])
        killed[0].kill()
        hold.unlink()

    killed = []
    killer = threading.Thread(target=kill_a_worker)
    killer.start()
    assert ray_faults.one_job(str(tmp_path), address) == 0
    killer.join()
    assert killed
    ids = [row["id"] for row in results(tmp_path / "scores")]
    assert sorted(map(int, ids)) == list(range(100))
    assert f"going on: {len(kept)} done before" in capsys.readouterr().err
    scored = ray_faults.scored_in(tmp_path)
    assert {scored[str(row)] for row in kept} == {1}  # a row's number is its id here
    # Until the first kill each of the two workers has scored one block at most, and until the
    # second one again: the hold keeps it from the next. So what the first kill costs are the
    # pictures that were scored and not noted, and the second at most the block of the one worker.
    # Whatever the others do, and however long it takes, nothing else is scored again.
    assert before.total() <= 2 * ray_faults.BLOCK_ROWS
    assert scored.total() - 100 <= before.total() - len(kept) + ray_faults.BLOCK_ROWS


def test_a_worker_that_is_killed_is_replaced(cluster, tmp_path):
    """There is no other, and it is held at its first block of ten: the job cannot end without."""
    write_table(tmp_path / "pictures.parquet", 100)
    hold = tmp_path / ray_faults.HOLD
    hold.touch()

    def kill_the_one_that_scores():
        with contextlib.suppress(AssertionError):
            notes = wait_for(lambda: list(tmp_path.glob("scored-*")), seconds=PATIENCE)[0]
            killed.append(notes)
            os.kill(int(notes.name.split("-")[-1]), signal.SIGKILL)
        hold.unlink()

    killed = []
    killer = threading.Thread(target=kill_the_one_that_scores)
    killer.start()
    address = ray.get_runtime_context().gcs_address
    assert ray_faults.one_job(str(tmp_path), address, workers=1) == 0
    killer.join()
    assert killed, "it has scored"
    assert len(killed[0].read_text().split()) <= ray_faults.BLOCK_ROWS
    ids = [row["id"] for row in results(tmp_path / "scores")]
    assert sorted(map(int, ids)) == list(range(100))


def test_every_worker_that_is_asked_for_scores(cluster, tmp_path):
    """Ray by itself would keep one of three cores for reading and one for writing."""
    write_table(tmp_path / "pictures.parquet", 40)
    hold = tmp_path / ray_faults.HOLD
    hold.touch()  # no worker can be done with all blocks before the other has one

    def let_go_when_both_score():
        with contextlib.suppress(AssertionError):
            wait_for(lambda: len(list(tmp_path.glob("scored-*"))) == 2, seconds=PATIENCE)
        hold.unlink()

    letting_go = threading.Thread(target=let_go_when_both_score)
    letting_go.start()
    address = ray.get_runtime_context().gcs_address
    assert ray_faults.one_job(str(tmp_path), address, workers=2) == 0
    letting_go.join()
    assert len(list(tmp_path.glob("scored-*"))) == 2


def test_of_an_error_on_the_disk_the_first_line_is_left():
    """Ray's own text is a hundred lines of where it was."""
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    full.filename = "Failed to apply UDF transform"  # as Ray adds what it tried
    told = predict.told(ray.exceptions.RayTaskError("Write", "Traceback\n" * 100, full), "scores")
    assert str(told) == (
        "scores: No space left on device; what is done is kept: mend that, and start the same "
        "command again"
    )
    ours = ray.exceptions.RayTaskError("Map", "Traceback\n" * 100, KeyError("a fault"))
    assert predict.told(ours, "scores") is ours


def done_of(noted):
    """The rows that are noted as done."""
    files = [file for file in noted.glob("*.parquet") if ".pending." not in file.name]
    return [row for file in files for row in parquet.read_table(file)["row"].to_pylist()]


def test_a_job_begun_with_other_limits_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(predict, "MOST_BLOCKS", 1)  # it is begun and no more
    write_table(tmp_path / "pictures.parquet", 10)
    given = [str(tmp_path / "pictures.parquet")], str(tmp_path / "scores")
    scorer = SimulatedScorer()
    with pytest.raises(UserError, match="too many blocks"):
        predict.predict_on_ray(scorer, *given, block_rows=2)
    scorer.preprocessing = dataclasses.replace(scorer.preprocessing, most_pixels=1_000_000)
    with pytest.raises(UserError, match=r"begun otherwise \(max_pixels: \d+ then, 1000000 now\)"):
        predict.predict_on_ray(scorer, *given, block_rows=2)


def test_more_blocks_than_ray_can_tell_apart_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(predict, "MOST_BLOCKS", 9)
    write_table(tmp_path / "pictures.parquet", 100)
    given = [str(tmp_path / "pictures.parquet")]
    with pytest.raises(UserError, match="--block_rows=12 or more"):
        predict.predict_on_ray(SimulatedScorer(), given, str(tmp_path / "scores"), block_rows=10)
