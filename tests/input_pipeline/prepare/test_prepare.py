"""prepare: folders in, a data set out."""

import csv
import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from input_pipeline.errors import UserError
from input_pipeline.prepare.folders import walk_photographs
from input_pipeline.storage.prepared_dataset import PreparedDataset
from input_pipeline.storage.records import image_array
from tests.trees import prepare, records, save, skipped


def test_prepare_keeps_the_original_bytes(tree, tmp_path):
    seen = []
    summary = prepare(tree, tmp_path / "out", progress=lambda *files: seen.append(files))
    assert seen == [(count, 12) for count in range(1, 13)]
    dataset = PreparedDataset.load(tmp_path / "out")
    assert dataset.info["name"] == "some_images"
    assert list(dataset.splits) == ["test"]
    split = dataset.splits["test"]
    assert split == summary.splits["test"]
    assert split.num_examples == 12
    assert split.generators == {
        "progan": {"photographs": 3, "generated": 3},
        "stargan": {"photographs": 3, "generated": 3},
    }
    found = records(dataset, "test")
    assert [record.filename for record in found] == sorted(record.filename for record in found)
    for record in found:
        assert record.image == (tree / record.filename).read_bytes()
        assert (record.height, record.width) == (30, 40)
        assert record.label == ("1_fake" in record.filename)
        assert record.generator == record.filename.split("/")[0]
        assert record.sha256 == hashlib.sha256(record.image).hexdigest()
        assert record.class_name == "".join(record.filename.split("/")[1:-2])


def test_prepare_decodes_and_squashes_as_pil(tree, tmp_path):
    prepare(tree, tmp_path / "out", storage="decoded", image_size=16, workers=0, name="mine")
    dataset = PreparedDataset.load(tmp_path / "out")
    assert (dataset.info["name"], dataset.info["storage"]) == ("mine", "decoded")
    assert dataset.info["image_size"] == 16
    for record in records(dataset, "test"):
        expected = Image.open(tree / record.filename).convert("RGB")
        expected = np.asarray(expected.resize((16, 16), Image.BILINEAR))
        np.testing.assert_array_equal(image_array(record), expected)


def test_processes_give_the_same_bytes_as_none(tmp_path):
    for index in range(70):
        save(tmp_path / f"in/gan/{index % 2}_{('real', 'fake')[index % 2]}/{index}.png", index)
    (tmp_path / "in/gan/1_fake/broken.png").write_bytes(b"no image")
    for workers in (0, 2):
        prepare(tmp_path / "in", tmp_path / f"out{workers}", workers=workers)
    names = sorted(os.listdir(tmp_path / "out0"))
    assert names == sorted(os.listdir(tmp_path / "out2"))
    for name in names:
        assert (tmp_path / "out0" / name).read_bytes() == (tmp_path / "out2" / name).read_bytes()


def test_splits_are_recognised_and_strays_reported(tree, tmp_path):
    root = tmp_path / "all"
    (root / "train").mkdir(parents=True)
    tree.rename(root / "val")
    save(root / "train/progan/1_fake/a.png")
    save(root / "progan/1_fake/outside.png")
    save(root / "train/progan/0_reel/typing_error.png")
    save(root / "train/a/b/c/0_real/too_deep.png")
    (root / "train/progan/1_fake/.DS_Store").write_bytes(b"x")
    (root / "README.md").write_text("about")
    save(root / "about.png")
    prepare(root, tmp_path / "out")
    dataset = PreparedDataset.load(tmp_path / "out")
    assert {name: split.num_examples for name, split in dataset.splits.items()} == {
        "train": 1,
        "validation": 12,
    }
    assert skipped(tmp_path / "out") == {
        "README.md": "companion file",
        "about.png": "not in a folder 0_real or 1_fake",
        "progan/1_fake/outside.png": "outside the split folders of this tree",
        "train/progan/0_reel/typing_error.png": "not in a folder 0_real or 1_fake",
        "train/a/b/c/0_real/too_deep.png": "deeper than <generator>/<class>",
        "train/progan/1_fake/.DS_Store": "hidden file",
    }


def test_companions_and_system_folders_do_not_stop_a_conversion(tmp_path):
    root = tmp_path / "in"
    save(root / "g/0_real/a.png", 1)
    save(root / "g/1_fake/b.png", 2)
    save(root / "g/1_fake/@eaDir/b.png/SYNOPHOTO_THUMB_M.jpg", 3)
    for name in ("g/1_fake/b.txt", "g/1_fake/b.png.json", "g/0_real/Thumbs.db"):
        (root / name).write_text("words")
    summary = prepare(root, tmp_path / "out", max_bad_fraction=0)
    assert summary.splits["test"].num_examples == 2
    assert skipped(tmp_path / "out") == {
        "g/0_real/Thumbs.db": "companion file",
        "g/1_fake/@eaDir": "system folder",
        "g/1_fake/b.png.json": "companion file",
        "g/1_fake/b.txt": "companion file",
    }
    text = str(summary)
    assert "3 companion files left out: g/0_real/Thumbs.db, " in text
    assert "1 system folder left out: g/1_fake/@eaDir\n" in text
    assert "unreadable" not in text
    assert "outside the layout" not in text


def test_system_folders_are_left_out_of_trees_in_which_every_file_counts(tmp_path):
    for number in range(3):
        save(tmp_path / f"photos/{number}.png", number)
        save(tmp_path / f"photos/@eaDir/{number}.png/THUMB.png", number)
        save(tmp_path / f"photos/.thumbnails/{number}.png", number)
    save(tmp_path / "made/sdxl/c.png", 9)
    save(tmp_path / "made/#recycle/old.png", 8)
    trees = {"photographs": tmp_path / "photos", "generated": tmp_path / "made"}
    summary = prepare(None, tmp_path / "out", **trees)
    assert summary.splits["test"].generators == {
        "photographs": {"photographs": 3, "generated": 0},
        "sdxl": {"photographs": 0, "generated": 1},
    }
    assert len(walk_photographs(tmp_path / "photos").splits["train"]) == 3


def test_a_tree_of_splits_and_classes_alone_is_read_as_cifake_has_it(tmp_path):
    root = tmp_path / "cifake"
    for split, number in (("train", 3), ("test", 2)):
        for index in range(number):
            save(root / split / "REAL" / f"{index}.jpg", index)
            save(root / split / "FAKE" / f"{index}.jpg", 10 + index)
    summary = prepare(root, tmp_path / "out")
    assert {name: dict(split.generators) for name, split in summary.splits.items()} == {
        "test": {"cifake": {"photographs": 2, "generated": 2}},
        "train": {"cifake": {"photographs": 3, "generated": 3}},
    }
    of = {r.filename: r.label for r in records(PreparedDataset.load(tmp_path / "out"), "test")}
    assert of == {"test/FAKE/0.jpg": 1, "test/FAKE/1.jpg": 1} | {
        "test/REAL/0.jpg": 0,
        "test/REAL/1.jpg": 0,
    }


def test_separate_trees(tmp_path):
    save(tmp_path / "photos/a.png")
    save(tmp_path / "photos/trip/b.jpg", 1)
    save(tmp_path / "made/sdxl/c.png", 2)
    save(tmp_path / "made/d.png", 3)
    prepare(
        None,
        tmp_path / "out",
        photographs=tmp_path / "photos",
        generated=tmp_path / "made",
        split="train",
    )
    dataset = PreparedDataset.load(tmp_path / "out")
    assert dataset.splits["train"].generators == {
        "photographs": {"photographs": 2, "generated": 0},
        "sdxl": {"photographs": 0, "generated": 1},
        "generated": {"photographs": 0, "generated": 1},
    }
    assert {record.filename: record.label for record in records(dataset, "train")} == {
        "photographs/a.png": 0,
        "photographs/trip/b.jpg": 0,
        "generated/sdxl/c.png": 1,
        "generated/d.png": 1,
    }


def test_one_folder_is_not_both_photographs_and_generated(tmp_path):
    """By whatever name: every picture would have both labels."""
    save(tmp_path / "big/a.png")
    (tmp_path / "link").symlink_to("big")
    for other in ("big", "link", "big/../big"):
        places = {"photographs": tmp_path / "big", "generated": tmp_path / other}
        with pytest.raises(UserError, match="big is given as --photographs and as --generated"):
            prepare(None, tmp_path / "out", **places)


def test_an_existing_output_is_never_overwritten(tree, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious").write_text("mine")
    with pytest.raises(ValueError, match="exists already"):
        prepare(tree, tmp_path / "out")
    assert os.listdir(tmp_path / "out") == ["precious"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"storage": "zip"}, "--storage is 'zip'; allowed are"),
        ({"image_size": 3}, "--image_size is 3; allowed is 8 to 4096"),
        ({"max_bad_fraction": 2}, "--max_bad_fraction is 2; allowed is 0 to 1"),
        ({"name": "My Set"}, "name 'My Set' is not allowed"),
        ({"generated": "x"}, "either --source=DIR"),
        ({"dataset": "forensynth"}, "not in the catalogue; it has .*forensynths"),
        ({"workers": -1}, "workers is -1"),
    ],
)
def test_wrong_arguments_are_refused(tree, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        prepare(tree, tmp_path / "out", **changes)
    assert not (tmp_path / "out").exists()


def test_trees_that_cannot_be_understood_are_refused(tmp_path):
    save(tmp_path / "flat/a.png")
    with pytest.raises(ValueError, match=r"no images laid out as .*found at its top: a\.png"):
        prepare(tmp_path / "flat", tmp_path / "out")
    with pytest.raises(ValueError, match="is not a directory"):
        prepare(tmp_path / "none", tmp_path / "out")
    save(tmp_path / "in/train/g/0_real/a.png")
    with pytest.raises(ValueError, match=r"--split=dev is given, but .* has split folders"):
        prepare(tmp_path / "in", tmp_path / "out", split="dev")
    save(tmp_path / "in/val/g/0_real/a.png")
    save(tmp_path / "in/validation/g/0_real/a.png")
    with pytest.raises(ValueError, match="both val and validation"):
        prepare(tmp_path / "in", tmp_path / "out")


def test_realworld_layout(shared, tmp_path):
    """The real images beside the project: sources of photographs and generators in two splits."""
    root = tmp_path / "realworld"
    chosen = ("dev/kodak_png", "dev/stylegan2_tpdne_jpg", "train/urban100_png")
    for part in chosen:
        (root / part).parent.mkdir(parents=True, exist_ok=True)
        (root / part).symlink_to(shared / "realworld" / part)
    for name in ("README.md", "manifest.csv"):
        (root / name).symlink_to(shared / "realworld" / name)
    prepare(root, tmp_path / "out")
    dataset = PreparedDataset.load(tmp_path / "out")
    assert dataset.splits["dev"].generators == {
        "kodak_png": {"photographs": 8, "generated": 0},
        "stylegan2_tpdne_jpg": {"photographs": 0, "generated": 10},
    }
    assert set(skipped(tmp_path / "out")) == {"README.md", "manifest.csv"}


WITHOUT_TENSORFLOW = """
import sys
sys.modules.update(dict.fromkeys(("tensorflow", "tensorflow_datasets")))
from tests.trees import prepare
from input_pipeline.loading.pipeline import evaluation_images, train_iterator
from input_pipeline.prepare.folders import walk_photographs
from input_pipeline.storage.prepared_dataset import PreparedDataset
prepare(sys.argv[1], sys.argv[2])
source = PreparedDataset.load(sys.argv[2]).source("test")
print(len(list(evaluation_images(source))))
iterator = train_iterator(source, batch_size=4, seed=0, resize=8)
print(next(iterator)["image"].shape)
iterator.close()
"""


def test_everything_works_without_tensorflow(tree, tmp_path, root):
    """Also what TFDS reads a data set by is written; test_builders.py has TFDS read it."""
    command = [sys.executable, "-W", "error", "-c", WITHOUT_TENSORFLOW, tree, tmp_path / "out"]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    count, shape = result.stdout.splitlines()
    assert (count, shape) == ("12", "(4, 8, 8, 3)")
    assert result.stderr == ""
    metadata = json.loads((tmp_path / "out" / "dataset_info.json").read_text())
    assert "test" in [split["name"] for split in metadata["splits"]]
    assert (tmp_path / "out" / "features.json").exists()


def test_names_of_any_bytes(tmp_path):
    """Linux allows any bytes as a name; a record's name is text, and so is a table's."""
    save(tmp_path / "in/gan/0_real/a.png", 1)
    odd = os.fsencode(tmp_path / "in/gan/0_real") + b"/b\xff.png"
    with open(odd, "wb") as file:
        file.write((tmp_path / "in/gan/0_real/a.png").read_bytes())
    save(tmp_path / 'in/gan/1_fake/ü, "quoted"\nnew line.png', 2)
    prepare(tmp_path / "in", tmp_path / "out")
    names = [record.filename for record in records(PreparedDataset.load(tmp_path / "out"), "test")]
    assert names == [
        "gan/0_real/a.png",
        "gan/0_real/b\\xff.png",
        'gan/1_fake/ü, "quoted"\nnew line.png',
    ]
    with open(tmp_path / "out" / "files.csv", newline="") as file:
        assert [row["filename"] for row in csv.DictReader(file)] == names


def test_links_are_followed_but_not_upwards(tmp_path):
    """Generators may share a folder of photographs; a link to a folder above ends nowhere."""
    save(tmp_path / "in/g/0_real/a.png", 1)
    save(tmp_path / "in/h/1_fake/b.png", 2)
    (tmp_path / "in/h/0_real").symlink_to(tmp_path / "in/g/0_real")
    (tmp_path / "in/g/loop").symlink_to(tmp_path / "in")
    prepare(tmp_path / "in", tmp_path / "out")
    found = PreparedDataset.load(tmp_path / "out").splits["test"].generators
    assert found == {
        "g": {"photographs": 1, "generated": 0},
        "h": {"photographs": 1, "generated": 1},
    }


def test_an_output_that_no_list_could_name_is_refused(tree, tmp_path):
    with pytest.raises(ValueError, match=r"--output=.*cats, dogs.*Give another name"):
        prepare(tree, tmp_path / "cats, dogs")
    assert not (tmp_path / "cats, dogs").exists()


def test_phones_files_are_converted(tmp_path):
    pytest.importorskip("pillow_heif").register_heif_opener()
    pixels = save(tmp_path / "tree" / "phone" / "1_fake" / "a.png", size=(40, 32))
    kept = {"quality": -1, "chroma": 444, "matrix_coefficients": 0}
    folder = tmp_path / "tree" / "phone" / "0_real"
    folder.mkdir(parents=True)
    Image.fromarray(pixels).save(folder / "b.heic", **kept)
    (folder / "c.dng").write_bytes(b"II*\0\x10\0\0\0CR\2\0" + bytes(80))
    prepare(
        tmp_path / "tree", tmp_path / "out", storage="decoded", image_size=0, max_bad_fraction=1
    )
    found = records(PreparedDataset.load(tmp_path / "out"), "test")
    assert len(found) == 2
    assert found[0].image == found[1].image == pixels.tobytes()
    assert "a RAW file" in skipped(tmp_path / "out")["phone/0_real/c.dng"]
