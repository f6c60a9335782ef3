"""Every file below a folder is found or named with a reason."""

import os

import pytest

from input_pipeline.errors import UserError
from input_pipeline.images.file_tree import find_image_files, walk_files


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")


def below(root, found):
    return [(os.path.relpath(file.path, root), file.problem) for file in found]


def test_files_of_linked_folders_are_found_and_loops_end(tmp_path):
    touch(tmp_path / "in/a/1.png")
    touch(tmp_path / "far/2.png")
    (tmp_path / "in/b").symlink_to(tmp_path / "far")
    (tmp_path / "in/c").symlink_to(tmp_path / "far")  # the same photographs for another generator
    (tmp_path / "in/a/self").symlink_to(tmp_path / "in/a")
    (tmp_path / "in/a/up").symlink_to(tmp_path / "in")
    (tmp_path / "far/above_all").symlink_to(tmp_path)
    (tmp_path / "far/back").symlink_to(tmp_path / "in/a")
    names = [name for name, _ in below(tmp_path / "in", walk_files(tmp_path / "in"))]
    assert names == ["a/1.png", "b/2.png", "b/back/1.png", "c/2.png", "c/back/1.png"]


def test_two_folders_that_link_each_other_end(tmp_path):
    touch(tmp_path / "in/a/1.png")
    touch(tmp_path / "in/b/2.png")
    (tmp_path / "in/a/to_b").symlink_to(tmp_path / "in/b")
    (tmp_path / "in/b/to_a").symlink_to(tmp_path / "in/a")
    names = [name for name, _ in below(tmp_path / "in", walk_files(tmp_path / "in"))]
    assert names == ["a/1.png", "a/to_b/2.png", "b/2.png", "b/to_a/1.png"]


def test_what_cannot_be_opened_is_named(tmp_path, monkeypatch):
    touch(tmp_path / "good.png")
    touch(tmp_path / "locked/hidden.png")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.png")
    scan = os.scandir

    def refusing(folder):  # permissions do not stop the superuser
        if str(folder).endswith("locked"):
            raise PermissionError(13, "Permission denied", folder)
        return scan(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    found = find_image_files([str(tmp_path)])
    assert below(tmp_path, found) == [
        ("gone.png", "broken link"),
        ("good.png", ""),
        ("locked", "cannot be read: Permission denied"),
        ("pipe.png", "not a regular file"),
    ]
    assert [file.is_folder for file in found] == [False, False, True, False]


def test_named_files_come_as_named_and_folders_by_path(tmp_path, monkeypatch):
    for name in ("d/b.png", "d/a/z.png", "d/a.png", "d/.hidden.png", "d/.git/x.png", "e.png"):
        touch(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    found = find_image_files(["./e.png", "d/"])
    assert [file.path for file in found] == ["./e.png", "d/a.png", "d/a/z.png", "d/b.png"]
    monkeypatch.chdir(tmp_path / "d")
    assert [file.path for file in find_image_files(["."])] == ["a.png", "a/z.png", "b.png"]


def test_a_path_that_is_not_there_and_an_empty_folder_are_refused(tmp_path):
    with pytest.raises(UserError, match="nowhere does not exist"):
        find_image_files([str(tmp_path / "nowhere")])
    with pytest.raises(UserError, match="nothing to score"):
        find_image_files([str(tmp_path)])
