"""Pictures in an object store, results too: a real server of S3's protocol on this machine."""

import hashlib
import subprocess
import sys

import pytest

from tests.patience import wait_for

pa = pytest.importorskip("pyarrow")
moto = pytest.importorskip("moto.server", reason="needs moto, flask and flask-cors")

from pyarrow import dataset, fs, parquet  # noqa: E402

from benchmarks import ray_faults  # noqa: E402
from input_pipeline.errors import UserError  # noqa: E402
from npr_jax.cluster.job import Job  # noqa: E402
from npr_jax.cluster.manifest import batches, write_manifest  # noqa: E402
from npr_jax.cluster.places import options_of, place_of  # noqa: E402
from npr_jax.cluster.reading import Reader  # noqa: E402
from npr_jax.cluster.session import session  # noqa: E402
from npr_jax.cluster.sources import tables_of  # noqa: E402

COLUMNS = ["path", "kind", "start", "size", "problem"]
# The server believes any key; nobody is asked for another one.
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "any",
    "AWS_SECRET_ACCESS_KEY": "any",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
DRIVER = """
import sys
from benchmarks.ray_faults import opening_job
sys.exit(opening_job(*sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def options():
    """What a URI of the server has behind its question mark."""
    patch = pytest.MonkeyPatch()
    for name, value in ENVIRONMENT.items():
        patch.setenv(name, value)
    server = moto.ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    told = f"endpoint_override=127.0.0.1:{port}&scheme=http"
    place_of(f"s3://bucket?{told}&allow_bucket_creation=true").system.create_dir("bucket")
    yield told
    server.stop()
    patch.undo()


def put(uri, data):
    place = place_of(uri)
    with place.system.open_output_stream(place.path) as file:
        file.write(data)


def test_pictures_below_a_prefix(options):
    for name in ("a b%20.png", "deep/ü.jpg", "deep/b.json", ".hidden/c.png"):
        put(f"s3://bucket/new/{name}?{options}", name.encode())
    folder = place_of(f"s3://bucket/manifest?{options}")
    given = f"s3://bucket/new?{options}"
    assert write_manifest(tables_of([given]), folder) == 2
    rows = [row for batch in batches(folder, ["id", *COLUMNS]) for row in batch.to_pylist()]
    assert {row["id"] for row in rows} == {
        "s3://bucket/new/a b%20.png",
        "s3://bucket/new/deep/ü.jpg",
    }
    read = Reader(options_of(given))
    assert {read(row).data for row in rows} == {b"a b%20.png", "deep/ü.jpg".encode()}
    with pytest.raises(OSError, match=r"404|does not exist|NO_SUCH|not found|RESOURCE_NOT_FOUND"):
        read(rows[0] | {"path": "s3://bucket/new/gone.png"})
    with pytest.raises(UserError, match=r"gone.* does not exist"):
        list(tables_of([f"s3://bucket/gone?{options}"]))


def job_in(output):
    return Job(place_of(output), "scores")


def put_results(output, name, verdicts):
    """A file of results, of pictures by their number in the job."""
    table = pa.table(
        {"row": list(verdicts), "verdict": list(verdicts.values()), "error": [""] * len(verdicts)}
    )
    place = place_of(output) / name
    parquet.write_table(table, place.path, filesystem=place.system)


def test_a_job_of_a_store_is_begun_gone_on_with_and_finished(options):
    for name in ("1.png", "2.png", "3.png"):
        put(f"s3://bucket/three/{name}?{options}", b"any")
    pictures, output = (f"s3://bucket/{name}?{options}" for name in ("three", "job"))
    asked = {"pictures": [pictures], "confidence": None}
    with job_in(output).held():
        assert not job_in(output).begin(asked, lambda: tables_of([pictures]))
    job = job_in(output)
    with job.held():  # the next driver
        assert job.begin(asked, lambda: pytest.fail("they are listed already"))
    assert (job.rows, job.done(), job.finished) == (3, 0, None)
    with pytest.raises(UserError, match=r"begun otherwise \(confidence: None then, 0\.9 now\)"):
        job_in(output).begin(asked | {"confidence": 0.9}, lambda: pytest.fail("nothing is listed"))
    put_results(output, "a.parquet", {0: "generated", 2: "photograph"})
    with pytest.raises(RuntimeError, match="1 of 3 pictures have no result and 0 have more"):
        job.finish()
    assert job_in(output).finished is None
    put_results(output, "b.parquet", {1: "generated"})
    assert job.finish() == {"generated": 2, "photograph": 1, "error": 0}
    assert job_in(output).finished == {"generated": 2, "photograph": 1, "error": 0}


def test_of_two_drivers_of_a_store_the_end_tells(options):
    pictures, output = (f"s3://bucket/{name}?{options}" for name in ("one/1.png", "twice"))
    put(pictures, b"any")
    first, second = job_in(output), job_in(output)
    with first.held(), second.held():  # a store cannot keep the second away
        assert not first.begin({}, lambda: tables_of([pictures]))
        assert second.begin({}, lambda: tables_of([pictures]))
        put_results(output, "first.parquet", {0: "unsure"})
        put_results(output, "second.parquet", {0: "unsure"})
        for job in (first, second):
            with pytest.raises(RuntimeError, match="0 of 1 pictures have no result and 1 have"):
                job.finish()


def test_a_folder_of_a_store_that_holds_something_is_left_alone(options):
    put(f"s3://bucket/taken/notes.txt?{options}", b"mine")
    output = f"s3://bucket/taken?{options}"
    with pytest.raises(UserError, match=r"holds bucket/taken/notes\.txt; give a new or empty"):
        job_in(output).begin({}, lambda: pytest.fail("nothing is listed"))
    names = place_of(output).system.get_file_info(fs.FileSelector("bucket/taken"))
    assert [entry.base_name for entry in names] == ["notes.txt"]


def notes(job):
    """The files that say what is done, and those that wait to say it."""
    there = job.checkpoint.system.get_file_info(
        fs.FileSelector(job.checkpoint.path, allow_not_found=True)
    )
    return [entry.path for entry in there if entry.is_file]


def two_are_noted(job):
    """Nor does a third one wait to be."""
    there = notes(job)
    return len(there) == 2 and not any(path.endswith(".pending.parquet") for path in there)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # as in test_predict.py
def test_from_a_store_into_a_store_nothing_is_lost_or_doubled(options, tmp_path):
    """The driver is killed when each of two workers has a block noted, as if one was just moved."""
    ray = pytest.importorskip("ray", reason="needs the extra ray")
    contents = {f"s3://bucket/new60/{n:02d}.png": b"%d" % n for n in range(60)}
    for name, content in contents.items():
        put(f"{name}?{options}", content)
    pictures, output = (f"s3://bucket/{name}?{options}" for name in ("new60", "scores"))
    job = job_in(output)
    hold = tmp_path / ray_faults.HOLD
    hold.touch()  # no worker begins a second block
    with session(ray, "", num_cpus=3):
        address = ray.get_runtime_context().gcs_address
        given = [str(tmp_path), pictures, output, address]
        driver = subprocess.Popen([sys.executable, "-c", DRIVER, *given])
        try:
            wait_for(lambda: two_are_noted(job), driver)
        finally:
            driver.kill()
            driver.wait()
        wait_for(lambda: not ray_faults.worker_of(address))
        before = ray_faults.scored_in(tmp_path)
        # To move is to copy and then to delete in a store: a kill can come between the two.
        moved = notes(job)[0]
        job.output.system.copy_file(moved, moved.replace(".parquet", ".pending.parquet"))
        again = parquet.read_metadata(moved, filesystem=job.output.system).num_rows
        assert job.done() == before.total() <= 2 * ray_faults.BLOCK_ROWS
        hold.unlink()
        assert ray_faults.opening_job(*given) == 0
    rows = dataset.dataset(job.output.path, filesystem=job.output.system).to_table().to_pylist()
    assert sorted(row["id"] for row in rows) == sorted(contents)
    for row in rows:
        assert row["sha256"] == hashlib.sha256(contents[row["id"]]).hexdigest()
    assert ray_faults.scored_in(tmp_path).total() == len(contents) + again
    assert job_in(output).finished == {"unsure": 60, "error": 0}
