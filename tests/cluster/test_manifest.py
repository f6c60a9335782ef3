"""What the user names becomes rows: each picture once, wherever it lies."""

import hashlib
import io
import os
import tarfile

import numpy as np
import pytest
from PIL import Image

pa = pytest.importorskip("pyarrow")
from pyarrow import dataset, parquet  # noqa: E402

from input_pipeline.errors import UserError  # noqa: E402
from npr_jax.cli.main import run  # noqa: E402
from npr_jax.cluster import manifest  # noqa: E402
from npr_jax.cluster.places import place_of  # noqa: E402
from npr_jax.cluster.reading import Reader  # noqa: E402
from npr_jax.cluster.sources import tables_of  # noqa: E402


def listed(tmp_path, *names):
    """The rows of a manifest of what is named, in order."""
    folder = tmp_path / "manifest"
    rows = manifest.write_manifest(tables_of([str(name) for name in names]), place_of(str(folder)))
    table = dataset.dataset(folder).to_table().sort_by("row").to_pylist()
    assert [row["row"] for row in table] == list(range(rows))
    return table


@pytest.fixture
def pictures(tmp_path):
    """Files that are told apart by their content; no decoder sees them here."""
    folder = tmp_path / "pictures"
    (folder / "deep").mkdir(parents=True)
    for name in ("a.png", "deep/b.jpg", "deep/c d%20.webp"):
        (folder / name).write_bytes(name.encode())
    (folder / "deep" / "b.json").write_text("{}")
    return folder


def contents(rows):
    return [Reader({})(row).data for row in rows]


def test_a_folder_is_all_its_pictures(tmp_path, pictures):
    rows = listed(tmp_path, pictures)
    names = ["a.png", "deep/b.jpg", "deep/c d%20.webp"]
    assert sorted(row["id"] for row in rows) == [f"{pictures}/{name}" for name in names]
    assert sorted(contents(rows)) == [name.encode() for name in names]


def test_a_list_names_files_relative_to_itself(tmp_path, pictures):
    (pictures / "list.txt").write_text(f"a.png\n\n{pictures}/deep/b.jpg\ngone.png\n")
    rows = listed(tmp_path, pictures / "list.txt")
    assert [row["id"] for row in rows] == ["a.png", f"{pictures}/deep/b.jpg", "gone.png"]
    assert contents(rows[:2]) == [b"a.png", b"deep/b.jpg"]
    with pytest.raises(FileNotFoundError):
        contents(rows[2:])


def test_a_table_has_paths_and_ids_of_their_own(tmp_path, pictures):
    table = pa.table({"path": ["deep/b.jpg", str(pictures / "a.png")], "id": [7, 8]})
    parquet.write_table(table, pictures / "table.parquet")
    rows = listed(tmp_path, pictures / "table.parquet")
    assert [row["id"] for row in rows] == ["7", "8"]
    assert contents(rows) == [b"deep/b.jpg", b"a.png"]


def test_a_table_has_bytes(tmp_path):
    table = pa.table({"id": list("abcde"), "bytes": [b"0", b"1", b"2", None, b"4"]})
    parquet.write_table(table, tmp_path / "table.parquet", row_group_size=2)
    rows = listed(tmp_path, tmp_path / "table.parquet")
    assert [row["id"] for row in rows] == list("abcde")
    assert contents(rows[:3] + rows[4:]) == [b"0", b"1", b"2", b"4"]
    with pytest.raises(UserError, match="missing"):
        contents(rows[3:4])


def test_a_table_without_ids_is_refused(tmp_path):
    parquet.write_table(pa.table({"bytes": [b"0"]}), tmp_path / "table.parquet")
    with pytest.raises(UserError, match="has the columns bytes; expected path, or bytes with id"):
        listed(tmp_path, tmp_path / "table.parquet")


def test_a_tar_is_its_pictures(tmp_path):
    with tarfile.open(tmp_path / "shard.tar", "w") as tar:
        for name in ("1.jpg", "1.cls", "1.json", "deep/2.png"):
            member = tarfile.TarInfo(name)
            member.size = len(name)
            tar.addfile(member, io.BytesIO(name.encode()))
    rows = listed(tmp_path, tmp_path / "shard.tar")
    assert [row["id"] for row in rows] == [
        f"{tmp_path}/shard.tar/{n}" for n in ("1.jpg", "deep/2.png")
    ]
    assert contents(rows) == [b"1.jpg", b"deep/2.png"]
    (tmp_path / "shard.tar").write_bytes(b"cut")
    with pytest.raises(UserError, match=r"shard\.tar ends before it"):
        contents(rows)
    with pytest.raises(UserError, match=r"shard\.tar cannot be read as a tar"):
        listed(tmp_path / "again", tmp_path / "shard.tar")


def test_a_picture_named_twice_is_refused(tmp_path, pictures):
    with pytest.raises(UserError, match=r"^1 of the pictures .* more than once: .*a\.png; name"):
        listed(tmp_path, pictures, pictures / "a.png")


def test_equal_fingerprints_of_other_names_are_no_duplicates(tmp_path, pictures, monkeypatch):
    same = "npr_jax.cluster.duplicates.fingerprint"
    monkeypatch.setattr(same, lambda ids: np.zeros(len(ids), np.uint64))
    assert len(listed(tmp_path, pictures)) == 3


def test_what_cannot_be_opened_is_a_row(tmp_path, pictures):
    os.symlink(tmp_path / "nowhere", pictures / "broken.png")
    odd = os.fsencode(pictures) + b"/\xff.png"
    open(odd, "wb").close()
    problems = [row["problem"] for row in listed(tmp_path, pictures) if row["problem"]]
    assert len(problems) == 2
    assert "broken link" in problems
    assert any("no UTF-8" in problem for problem in problems)


def test_nothing_to_score_is_said(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="nothing to score"):
        listed(tmp_path, tmp_path / "empty")
    with pytest.raises(UserError, match="gone does not exist"):
        listed(tmp_path, tmp_path / "gone")
    with pytest.raises(UserError, match="ftp://host cannot be opened"):
        listed(tmp_path, "ftp://host/pictures")


@pytest.mark.parametrize("storage", ["encoded", "decoded"])
def test_a_prepared_data_set_is_its_records(tmp_path, storage):
    source = tmp_path / "source"
    for label, color in (("0_real", 40), ("1_fake", 200)):
        (source / label).mkdir(parents=True)
        for index in range(2):
            pixels = np.full((32, 40, 3), color + index, np.uint8)
            Image.fromarray(pixels).save(source / label / f"{index}.png")
    folder = tmp_path / "prepared"
    command = ["prepare", f"--source={source}", f"--output={folder}", f"--storage={storage}"]
    assert run([*command, "--split=test"]) == 0
    rows = listed(tmp_path, folder)
    assert sorted(row["id"] for row in rows) == [
        f"test/{label}/{index}.png" for label in ("0_real", "1_fake") for index in range(2)
    ]
    for row in rows:
        picture = Reader({})(row)
        file = source / row["id"].removeprefix("test/")
        assert picture.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
        if storage == "encoded":
            assert picture.data == file.read_bytes()
        else:
            assert picture.data.shape == (256, 256, 3)  # what `prepare` stores by itself
            assert np.unique(picture.data) == np.unique(np.asarray(Image.open(file)))
    shard = next(folder.glob("*.tfrecord-00000-of-00001"))
    data = bytearray(shard.read_bytes())
    data[rows[1]["start"] + 5] ^= 1
    shard.write_bytes(data)
    with pytest.raises(UserError, match="does not match its checksum"):
        contents(rows[1:2])
