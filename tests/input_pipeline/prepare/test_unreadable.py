"""Files that cannot be read among those to be prepared, and workers that die of them."""

import multiprocessing
import os
import warnings

import numpy as np
import pytest

from input_pipeline.storage.prepared_dataset import PreparedDataset
from input_pipeline.storage.records import image_array
from tests.trees import prepare, records, save, skipped


def test_bad_files_are_skipped_with_their_reason(tree, tmp_path):
    folder = tree / "stargan" / "1_fake"
    (folder / "text.jpg").write_text("not a picture")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "cut.jpg").write_bytes((folder / "0.jpeg").read_bytes()[:-200])
    save(folder / "huge.png", size=(300, 200))
    (folder / "gone.png").symlink_to(tmp_path / "nowhere")
    summary = prepare(tree, tmp_path / "out", max_bad_fraction=0.5, max_pixels=50_000)
    reasons = skipped(tmp_path / "out")
    assert reasons["stargan/1_fake/text.jpg"] == "not an image of a known format"
    assert reasons["stargan/1_fake/empty.jpg"] == "empty file"
    assert "% of its pixels are missing" in reasons["stargan/1_fake/cut.jpg"]
    assert reasons["stargan/1_fake/huge.png"] == (
        "too large: 300 x 200 is more than 50000 pixels (--max_megapixels)"
    )
    assert reasons["stargan/1_fake/gone.png"].startswith("cannot be read: No such file")
    assert len(reasons) == len(summary.unreadable) == 5
    assert summary.splits["test"].num_examples == 12
    assert "5 files unreadable" in str(summary)


def test_too_many_bad_files_stop_the_run_and_leave_nothing(tree, tmp_path):
    for index in range(3):
        (tree / f"stargan/1_fake/bad{index}.png").write_bytes(b"nothing")
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(
        ValueError, match=r"at least 2 of 15 files .*0\.1.*(\n.*)*bad0\.png: not an"
    ):
        prepare(tree, tmp_path / "out", max_bad_fraction=0.1)
    assert sorted(os.listdir(tmp_path)) == before


def test_a_thousand_damaged_images_stop_nothing(tmp_path):
    """Bytes changed, removed, inserted and cut at random, in files of every format."""
    rng = np.random.default_rng(0)
    originals = []
    for suffix, options in [
        ("png", {}),
        ("jpg", {}),
        ("jpg", {"progressive": True}),
        ("webp", {}),
        ("webp", {"lossless": True}),
        ("gif", {}),
        ("bmp", {}),
        ("tif", {}),
    ]:
        save(tmp_path / f"original.{suffix}", 1, (48, 40), **options)
        originals.append((suffix, (tmp_path / f"original.{suffix}").read_bytes()))
    folder = tmp_path / "in" / "gan" / "1_fake"
    folder.mkdir(parents=True)
    for index in range(1000):
        suffix, data = originals[index % len(originals)]
        (folder / f"{index:04d}.{suffix}").write_bytes(mutate(bytearray(data), rng))
    save(folder / "whole.png", 5)
    summary = prepare(tmp_path / "in", tmp_path / "out", max_bad_fraction=1, workers=2)
    left_out = skipped(tmp_path / "out")
    kept = records(PreparedDataset.load(tmp_path / "out"), "test")
    assert len(kept) + len(left_out) == 1001
    assert kept[-1].filename == "gan/1_fake/whole.png"
    assert 300 < len(left_out) < 1001
    assert all(reason.strip() for reason in left_out.values())
    assert len(summary.unreadable) == len(left_out)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow remarks on damaged metadata
        for record in kept:  # what was kept can be read
            assert image_array(record).shape == (record.height, record.width, 3)


def mutate(data, rng):
    """Damages a file in one of four ways; the header more often than chance would."""
    where = int(rng.integers(0, 64 if rng.random() < 0.3 else len(data)))
    match int(rng.integers(4)):
        case 0:
            data[where] ^= int(rng.integers(1, 256))
        case 1:
            for place in rng.integers(0, len(data), 20):
                data[place] = int(rng.integers(256))
        case 2:
            del data[where : where + int(rng.integers(1, 100))]
        case _:
            del data[where:]
    return bytes(data)


def test_a_folder_that_cannot_be_read_stops_the_run(tmp_path, monkeypatch):
    save(tmp_path / "in/g/0_real/a.png", 1)
    scandir = os.scandir

    def refusing(path):
        if str(path).endswith("0_real"):  # permissions do not stop the administrator
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(ValueError, match=r"folder .*0_real cannot be read: Permission denied"):
        prepare(tmp_path / "in", tmp_path / "out")


def test_a_worker_that_dies_is_a_clear_error(tmp_path, monkeypatch):
    """What kills decoders for want of memory kills them without a word."""
    for index in range(200):
        save(tmp_path / f"in/gan/0_real/{index:03d}.png", index, (8, 8))
    with pytest.raises(
        ValueError, match=r"a decoding process died.* goes on from what is converted"
    ):
        prepare(
            tmp_path / "in",
            tmp_path / "out",
            workers=2,
            progress=lambda *_: [child.kill() for child in multiprocessing.active_children()],
        )


def test_a_pipe_among_the_images_keeps_nobody_waiting(tree, tmp_path):
    os.mkfifo(tree / "stargan/1_fake/pipe.png")
    prepare(tree, tmp_path / "out", max_bad_fraction=0.5)
    assert skipped(tmp_path / "out") == {
        "stargan/1_fake/pipe.png": "cannot be read: not a regular file"
    }
