"""Every file below a folder is found or named with a reason."""

import os

import pytest

from input_pipeline.errors import UserError
from input_pipeline.images.file_tree import find_image_files, walk_files


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")


def below(root, found):
    return [(os.path.relpath(file.path, root), file.problem) for file in found if not file.left_out]


def left_out(root, found):
    return {os.path.relpath(file.path, root): file.left_out for file in found.left_out}


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
    found = find_image_files([str(tmp_path)]).files
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
    found = find_image_files(["./e.png", "d/"]).files
    assert [file.path for file in found] == ["./e.png", "d/a.png", "d/a/z.png", "d/b.png"]
    monkeypatch.chdir(tmp_path / "d")
    assert [file.path for file in find_image_files(["."]).files] == ["a.png", "a/z.png", "b.png"]


def test_a_path_that_is_not_there_and_an_empty_folder_are_refused(tmp_path):
    with pytest.raises(UserError, match="nowhere does not exist"):
        find_image_files([str(tmp_path / "nowhere")])
    with pytest.raises(UserError, match="nothing to score"):
        find_image_files([str(tmp_path)])


def test_what_systems_and_programs_keep_beside_pictures_is_left_out_and_listed(tmp_path):
    """Three photographs from a network drive, a Windows disk and a Mac's archive stay three."""
    kept = ("a.jpg", "trip/b.heic", "trip/notes.txt.png")
    companions = (
        *("a.txt", "a.jpg.json", "a.xmp", "Thumbs.db", "trip/Desktop.INI", "a.aae"),
        "a.jpg:Zone.Identifier",
    )
    folders = ("@eaDir", "#recycle", "$RECYCLE.BIN", "trip/__MACOSX", "lost+found", ".thumbnails")
    for name in (*kept, *companions, ".DS_Store"):
        touch(tmp_path / name)
    for folder in folders:
        touch(tmp_path / folder / "deep" / "a.jpg")
    found = find_image_files([str(tmp_path)])
    assert below(tmp_path, found.files) == [(name, "") for name in kept]
    assert left_out(tmp_path, found) == (
        dict.fromkeys(companions, "companion file")
        | dict.fromkeys(folders, "system folder")
        | {".DS_Store": "hidden file"}
    )
    words = "\n".join(found.left_out_in_words())
    assert "7 companion files left out: " in words
    assert "6 system folders left out: " in words
    assert "1 hidden file left out: " in words


def test_what_is_named_counts_whatever_its_name(tmp_path):
    for name in ("picture.txt", "@eaDir/thumb.jpg"):
        touch(tmp_path / name)
    named = [str(tmp_path / "picture.txt"), str(tmp_path / "@eaDir")]
    found = find_image_files(named)
    assert [name for name, _ in below(tmp_path, found.files)] == ["picture.txt", "@eaDir/thumb.jpg"]


def test_a_folder_of_companions_alone_says_so(tmp_path):
    touch(tmp_path / "a.json")
    with pytest.raises(UserError, match=r"nothing to score.*1 companion file left out: .*a\.json"):
        find_image_files([str(tmp_path)])
