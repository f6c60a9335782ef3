"""Pictures in an object store, results too: a real server of S3's protocol on this machine."""

import pytest

pytest.importorskip("pyarrow")
moto = pytest.importorskip("moto.server", reason="needs moto, flask and flask-cors")

from input_pipeline.errors import UserError  # noqa: E402
from npr_jax.cluster.manifest import batches, write_manifest  # noqa: E402
from npr_jax.cluster.places import options_of, place_of  # noqa: E402
from npr_jax.cluster.reading import Reader  # noqa: E402
from npr_jax.cluster.sources import tables_of  # noqa: E402

COLUMNS = ["path", "kind", "start", "size", "problem"]
# The server believes any key; nobody is asked for another one.
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "any",
    "AWS_SECRET_ACCESS_KEY": "any",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


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
