"""The files that a user's paths mean: all found or named with a reason, in one order."""

import os

import pytest

from input_pipeline.errors import UserError
from input_pipeline.images.image_listing import ImageListing


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")


def listed(*paths):
    with ImageListing(map(str, paths)) as found:
        return list(found.files())


def below(root, found):
    return [(os.path.relpath(file.path, root), file.problem) for file in found]


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
    found = listed(tmp_path)
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
    found = listed("./e.png", "d/")
    assert [file.path for file in found] == ["./e.png", "d/a.png", "d/a/z.png", "d/b.png"]
    monkeypatch.chdir(tmp_path / "d")
    assert [file.path for file in listed(".")] == ["a.png", "a/z.png", "b.png"]


def test_a_path_that_is_not_there_and_an_empty_folder_are_refused(tmp_path):
    with pytest.raises(UserError, match="nowhere does not exist"):
        ImageListing([str(tmp_path / "nowhere")])
    with pytest.raises(UserError, match="nothing to score"):
        ImageListing([str(tmp_path)])


def test_what_systems_and_programs_keep_beside_pictures_is_left_out_and_listed(tmp_path):
    """Three photographs from a network drive, a Windows disk and a Mac's archive stay three."""
    kept = ("a.jpg", "trip/b.heic", "trip/notes.txt.png")
    companions = (
        *("a.txt", "a.jpg.json", "a.xmp", "Thumbs.db", "trip/Desktop.INI", "a.aae"),
        *("a.jpg:Zone.Identifier", "scores.csv.partial"),
    )
    folders = ("@eaDir", "#recycle", "$RECYCLE.BIN", "trip/__MACOSX", "lost+found", ".thumbnails")
    for name in (*kept, *companions, ".DS_Store"):
        touch(tmp_path / name)
    for folder in folders:
        touch(tmp_path / folder / "deep" / "a.jpg")
    with ImageListing([str(tmp_path)]) as found:
        assert below(tmp_path, found.files()) == [(name, "") for name in kept]
        left_out = {
            os.path.relpath(file.path, tmp_path): file.left_out for file in found.left_out()
        }
        words = "\n".join(found.left_out_in_words())
    assert left_out == (
        dict.fromkeys(companions, "companion file")
        | dict.fromkeys(folders, "system folder")
        | {".DS_Store": "hidden file"}
    )
    assert "8 companion files left out: " in words
    assert "6 system folders left out: " in words
    assert "1 hidden file left out: " in words


def test_what_is_named_counts_whatever_its_name(tmp_path):
    for name in ("picture.txt", "@eaDir/thumb.jpg"):
        touch(tmp_path / name)
    named = [str(tmp_path / "picture.txt"), str(tmp_path / "@eaDir")]
    assert [name for name, _ in below(tmp_path, listed(*named))] == [
        "picture.txt",
        "@eaDir/thumb.jpg",
    ]


def test_a_folder_of_companions_alone_says_so(tmp_path):
    touch(tmp_path / "a.json")
    with pytest.raises(UserError, match=r"nothing to score.*1 companion file left out: .*a\.json"):
        ImageListing([str(tmp_path)])


def test_a_listing_goes_on_from_any_place_and_its_hash_is_of_its_paths(tmp_path):
    """Names of bytes that are no UTF-8 among them."""
    names = [b"a.png", b"a/z.png", b"b\xff.png", "ü\n.png".encode()]
    for name in reversed(names):
        touch(tmp_path / os.fsdecode(name))
    with ImageListing([str(tmp_path)]) as found:
        assert len(found) == 4
        assert [os.fsencode(os.path.relpath(f.path, tmp_path)) for f in found.files()] == names
        assert [file.path for file in found.files(3)] == [str(tmp_path / "ü\n.png")]
        assert list(found.files(4)) == []
        before = found.sha256
    with ImageListing([str(tmp_path)]) as again:
        assert again.sha256 == before
    (tmp_path / "a.png").rename(tmp_path / "c.png")
    with ImageListing([str(tmp_path)]) as other:
        assert other.sha256 != before
