"""Which folders a job may begin in."""

import pytest

pa = pytest.importorskip("pyarrow")

from input_pipeline.errors import UserError  # noqa: E402
from npr_jax.cluster.job import Job  # noqa: E402
from npr_jax.cluster.places import place_of  # noqa: E402
from npr_jax.cluster.sources import tables_of  # noqa: E402


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "in" / "a.png"
    path.parent.mkdir()
    path.write_bytes(b"a")
    return path


def begin(output, picture):
    return Job(place_of(str(output)), str(output)).begin({}, lambda: tables_of([str(picture)]))


def test_a_file_is_no_output(picture):
    with pytest.raises(UserError, match=r"a\.png is a file; give a new or empty folder"):
        begin(picture, picture)
    assert picture.read_bytes() == b"a"


def test_a_folder_that_holds_something_is_left_alone(picture):
    with pytest.raises(UserError, match=r"holds .*a\.png; give a new or empty folder"):
        begin(picture.parent, picture)
    assert [path.name for path in picture.parent.iterdir()] == ["a.png"]


def test_a_job_that_was_begun_goes_on(picture, tmp_path):
    assert not begin(tmp_path / "out", picture)
    assert begin(tmp_path / "out", picture)
