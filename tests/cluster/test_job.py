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


def test_of_two_that_score_into_one_folder_the_second_is_refused(picture, tmp_path):
    job, other = (Job(place_of(str(tmp_path / "out")), "out") for _ in range(2))
    with job.held():
        job.begin({}, lambda: tables_of([str(picture)]))
        with pytest.raises(UserError, match="another process is scoring into out; wait for it, or"):
            other.held().__enter__()
    with other.held():
        assert other.begin({}, lambda: tables_of([str(picture)]))


def test_no_lock_is_left_where_something_else_lies(picture):
    with pytest.raises(UserError, match=r"holds .*a\.png; give a new or empty folder"):
        Job(place_of(str(picture.parent)), "in").held().__enter__()
    assert [path.name for path in picture.parent.iterdir()] == ["a.png"]
