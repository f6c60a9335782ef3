"""Every file below a folder is found or named with a reason."""

import os

from input_pipeline.images.file_tree import walk_files


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")


def below(root, found):
    return [(os.path.relpath(file.path, root), file.problem) for file in found if not file.left_out]


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


def test_in_the_order_of_the_disk_the_files_are_the_same(tmp_path):
    for name in ("b/1.png", "a/2.png", "3.png", "a/c/4.png", "a/notes.txt", ".git/x"):
        touch(tmp_path / name)
    (tmp_path / "empty").mkdir()
    found = [set(walk_files(tmp_path, by_name=by_name)) for by_name in (True, False)]
    assert found[0] == found[1]
    assert len(found[0]) == 7
