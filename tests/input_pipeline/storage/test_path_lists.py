"""One rule for flags and settings that name several paths."""

import pytest

from input_pipeline.errors import UserError
from input_pipeline.storage.path_lists import check_listable, split_paths


def test_a_list_is_split_at_commas_and_blanks_do_not_count():
    assert split_paths("prepared/a, prepared/b", "--data") == ["prepared/a", "prepared/b"]
    assert split_paths("prepared/a", "--data") == ["prepared/a"]
    assert split_paths(" prepared/a ", "--data") == ["prepared/a"]
    assert split_paths("", "--data") == []


def test_a_file_or_directory_of_exactly_that_name_is_one_path(tmp_path):
    (tmp_path / "cats, dogs").mkdir()
    (tmp_path / "NPR, v2.pth").write_bytes(b"")
    for name in ("cats, dogs", "NPR, v2.pth"):
        assert split_paths(str(tmp_path / name), "--weights") == [str(tmp_path / name)]


@pytest.mark.parametrize("text", ["a,", ",a", "a,,b", ","])
def test_a_comma_with_no_path_beside_it_is_refused(text):
    with pytest.raises(UserError, match=r"--data=.* has a comma with no path beside it"):
        split_paths(text, "--data")


@pytest.mark.parametrize("name", ["cats, dogs", "a,b", " a", "a "])
def test_a_name_that_no_list_could_hold_is_refused(tmp_path, name):
    with pytest.raises(UserError, match=r"--output=.*Give another name"):
        check_listable(tmp_path / name, "--output")
    check_listable(tmp_path / name / "fine", "--output")
