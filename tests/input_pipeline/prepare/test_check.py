"""prepare --check: every defect that a source can have, and the leak audit."""

import multiprocessing

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from input_pipeline.errors import UserError
from input_pipeline.images.invisible_mark import write_mark
from input_pipeline.images.metadata import read_facts
from input_pipeline.prepare.catalog import find_entry
from input_pipeline.prepare.check import check_source
from input_pipeline.prepare.sources import find_source
from input_pipeline.storage.prepared_dataset import PreparedDataset
from tests.trees import contents, prepare, save


def check(source, **options):
    return check_source(find_source(source, **options), workers=0)


def problems(report):
    found = {}
    for problem in report.problems:
        found.setdefault(problem.kind, []).append(problem.text)
    return found


def has_leak(report):
    return any(leak.is_loud for leak in report.audit.leaks)


@pytest.fixture
def tree(tmp_path):
    """GANGen-Detection with two images per generator."""
    root = tmp_path / "GANGen-Detection"
    generators = find_entry("gangen_detection").generators
    for index, name in enumerate(generator.folder for generator in generators):
        save(root / name / "0_real/a.png", 2 * index)
        save(root / name / "1_fake/b.png", 2 * index + 1)
    return root


def test_a_complete_tree_lacks_images_only(tree):
    before = contents(tree.parent)
    report = check(tree, dataset="gangen_detection")
    found = problems(report)
    assert set(found) == {"number of images"}
    assert len(found["number of images"]) == 9
    assert found["number of images"][0].startswith("test AttGAN has 2, published are 4000 (FreqNet")
    assert report.images["test"]["BEGAN"] == {"photographs": 1, "generated": 1}
    assert contents(tree.parent) == before  # nothing is written


def test_missing_and_extra_generators_and_folders(tree):
    (tree / "BEGAN").rename(tree / "CoolGAN")
    (tree / "SNGAN/0_real/a.png").unlink()
    (tree / "STGAN/1_fake").rename(tree / "STGAN/1_fak")
    found = problems(check(tree, dataset="gangen_detection"))
    assert found["missing generator"] == ["test BEGAN"]
    assert found["extra generator"] == [
        "folder 'CoolGAN' is no generator of gangen_detection: CoolGAN/0_real/a.png and 1 more"
    ]
    assert found["outside the layout"] == ["not in a folder 0_real or 1_fake: STGAN/1_fak/b.png"]
    assert found["missing label"] == [
        "test SNGAN has no photographs",
        "test STGAN has no generated images",
    ]


def test_class_folders(tmp_path):
    root = tmp_path / "ForenSynths"
    for index, name in enumerate(("car", "cat", "dog")):
        save(root / f"test/stylegan/{name}/0_real/a.png", 2 * index)
        save(root / f"test/stylegan/{name}/1_fake/a.png", 2 * index + 1)
    (root / "test/stylegan/cat/0_real/a.png").unlink()
    found = problems(check(root, dataset="forensynths"))
    assert found["missing class"] == ["test stylegan/bedroom"]
    assert found["unknown class"] == ["test stylegan/dog"]
    assert found["missing label"] == ["test stylegan/cat has no photographs"]
    assert found["number of images"] == [
        "test stylegan has 5, published are about 12000 (CNNDetection paper, table 1; "
        "AIGCDetectBenchmark paper; rounded to hundreds)"
    ]
    assert len(found["missing generator"]) == 7


def test_duplicates_across_labels_splits_and_within(tmp_path):
    root = tmp_path / "in"
    pixels = save(root / "train/g/0_real/a.png", 1)
    for other in ("train/g/1_fake/a.png", "train/g/0_real/again.png"):
        (root / other).parent.mkdir(parents=True, exist_ok=True)
        (root / other).write_bytes((root / "train/g/0_real/a.png").read_bytes())
    save(root / "train/g/1_fake/b.png", 2)
    (root / "test/g/1_fake").mkdir(parents=True)
    (root / "test/g/1_fake/b.png").write_bytes((root / "train/g/1_fake/b.png").read_bytes())
    save(root / "train/h/0_real/c.png", 3)
    picture = save(root / "train/h/0_real/d.png", 4)
    Image.fromarray(picture).save(root / "test/g/1_fake/d.bmp")  # other bytes, the same pixels
    assert np.array_equal(pixels, np.asarray(Image.open(root / "train/g/0_real/a.png")))
    found = problems(check(root))
    assert found["same file as photograph and as generated"] == [
        "train:train/g/0_real/a.png, train:train/g/0_real/again.png, train:train/g/1_fake/a.png"
    ]
    assert found["same file in several splits"] == [
        "test:test/g/1_fake/b.png, train:train/g/1_fake/b.png"
    ]
    assert found["same picture as photograph and as generated"] == [
        "test:test/g/1_fake/d.bmp, train:train/h/0_real/d.png"
    ]
    (root / "train/g/1_fake/a.png").unlink()
    assert problems(check(root))["same file twice"] == [
        "train:train/g/0_real/a.png, train:train/g/0_real/again.png"
    ]


def test_an_empty_class_is_a_problem(tmp_path):
    """Also where another generator's lack hides that labels are missing."""
    root = tmp_path / "in"
    save(root / "train/a/0_real/1.png", 1)
    (root / "train/a/1_fake").mkdir()
    save(root / "train/b/1_fake/2.png", 2)
    (root / "train/b/0_real").mkdir()
    (root / "train/b/0_real/Thumbs.db").write_bytes(b"x")
    (root / "train/c/cat/0_real").mkdir(parents=True)
    (root / "train/d/1_fake").mkdir(parents=True)
    (root / "train/d/1_fake/3.png").write_bytes(b"no image")
    assert problems(check(root))["empty class"] == [
        "train/a/1_fake holds no readable image",
        "train/b/0_real holds no readable image",
        "train/c/cat/0_real holds no readable image",
        "train/d/1_fake holds no readable image",
    ]


def test_an_empty_generator_of_a_separate_tree_is_a_problem(tmp_path):
    save(tmp_path / "photos/1.png", 1)
    save(tmp_path / "made/sdxl/deep/2.png", 2)
    (tmp_path / "made/flux/deep").mkdir(parents=True)
    report = check(None, photographs=tmp_path / "photos", generated=tmp_path / "made")
    assert problems(report) == {"empty class": ["generated/flux holds no readable image"]}


def test_an_empty_class_of_a_published_data_set_is_a_problem(tree):
    (tree / "BEGAN/0_real/a.png").unlink()
    found = problems(check(tree, dataset="gangen_detection"))
    assert found["empty class"] == ["BEGAN/0_real holds no readable image"]


def test_companions_are_listed_and_no_problem(tmp_path):
    save(tmp_path / "in/g/0_real/a.png", 1)
    save(tmp_path / "in/g/1_fake/b.png", 2)
    (tmp_path / "in/g/1_fake/b.txt").write_text("a prompt")
    save(tmp_path / "in/.thumbnails/a.png", 3)
    report = check(tmp_path / "in")
    assert report.problems == []
    assert "1 companion file left out: g/1_fake/b.txt" in str(report)
    assert report.to_json()["left_out"] == [
        {"kind": "system folder", "path": ".thumbnails"},
        {"kind": "companion file", "path": "g/1_fake/b.txt"},
    ]


def test_a_test_set_that_shares_files_with_a_training_set(tmp_path):
    for index, name in enumerate("abc"):
        save(tmp_path / f"train/train/progan/0_real/{name}.png", index)
    prepare(tmp_path / "train", tmp_path / "training")
    save(tmp_path / "test/BEGAN/1_fake/x.png", 1)
    save(tmp_path / "test/BEGAN/1_fake/y.png", 9)
    source = find_source(tmp_path / "test", dataset="gangen_detection")
    against = [PreparedDataset.load(tmp_path / "training")]
    found = problems(check_source(source, workers=0, against=against))
    assert found["same file in training"] == [
        "test:BEGAN/1_fake/x.png, train:train/progan/0_real/b.png"
    ]


def test_unreadable_files(tree):
    (tree / "BEGAN/0_real/a.png").write_bytes(b"no image")
    cut = tree / "S3GAN/1_fake/b.png"
    cut.write_bytes(cut.read_bytes()[:-40])
    found = problems(check(tree, dataset="gangen_detection"))
    assert found["unreadable file"][0] == "BEGAN/0_real/a.png: not an image of a known format"
    assert found["unreadable file"][1].startswith("S3GAN/1_fake/b.png: damaged image")
    assert "test BEGAN has no photographs" in found["missing label"]


def leaky_tree(root, generated):
    """20 JPEG photographs, and 20 generated images saved by a function of (path, number)."""
    for index in range(20):
        save(root / f"g/0_real/{index}.jpg", index, quality=90, subsampling="4:2:0")
        generated(root / "g/1_fake", index)


def test_a_leak_of_the_format_is_loud(tmp_path):
    leaky_tree(tmp_path / "in", lambda folder, n: save(folder / f"{n}.png", 100 + n))
    report = check(tmp_path / "in")
    assert has_leak(report)
    assert [leak.auc for leak in report.audit.leaks] == [1.0, 1.0]  # the generator, and all
    text = str(report)
    assert "no problems" in text
    assert "WARNING: metadata alone reaches an AUC above 0.6 in 2 of 2 groups" in text
    assert "test g photographs 20: JPEG 20; quality 90 to 90, median 90; chroma 4:2:0 20" in text
    assert "test g generated 20: PNG 20; size 30x40 20" in text


def test_the_audit_names_who_carries_the_invisible_mark(tmp_path):
    for index in range(4):
        save(tmp_path / f"in/g/0_real/{index}.png", index, (260, 260))
        pixels = save(tmp_path / f"in/sd/1_fake/{index}.png", 10 + index, (260, 260))
        if index < 3:
            Image.fromarray(write_mark(pixels)).save(tmp_path / f"in/sd/1_fake/{index}.png")
    report = check(tmp_path / "in")
    assert {(d.generator, d.marked) for d in report.audit.distributions} == {("g", 0), ("sd", 3)}
    text = str(report)
    assert "test sd generated 4: PNG 4; size 260x260 4; invisible mark in 3\n" in text
    assert "WARNING: 3 generated images and 0 photographs carry the invisible mark" in text
    assert report.to_json()["audit"]["distributions"][1]["marked"] == 3


def test_the_leak_table_is_of_a_sample_of_each_split(tmp_path):
    for index in range(15):
        save(tmp_path / f"in/train/g/0_real/{index}.png", index, (40, 40))
        bright = np.full((40, 40, 3), 200 + index, np.uint8)
        (tmp_path / "in/train/g/1_fake").mkdir(parents=True, exist_ok=True)
        Image.fromarray(bright).save(tmp_path / f"in/train/g/1_fake/{index}.png")
    save(tmp_path / "in/test/g/0_real/a.png", 99)
    report = check(tmp_path / "in")
    of = {table.split: table for table in report.audit.tables}
    assert (of["train"].photographs, of["train"].generated) == (15, 15)
    assert of["train"].auc["brightness"] == 1.0
    assert of["train"].auc["format"] == 0.5
    assert of["test"].auc["brightness"] is None
    assert "test (1+0)  train (15+15)" in str(report)
    assert report.to_json()["audit"]["tables"][1]["auc"]["brightness"] == 1.0


@pytest.mark.parametrize(
    ("size", "quality", "subsampling"),
    [((80, 60), 90, "4:2:0"), ((40, 30), 60, "4:2:0"), ((40, 30), 90, "4:4:4")],
)
def test_a_leak_of_size_quality_or_chroma_is_loud(tmp_path, size, quality, subsampling):
    def generated(folder, n):
        save(folder / f"{n}.jpg", 100 + n, size, quality=quality, subsampling=subsampling)

    leaky_tree(tmp_path / "in", generated)
    assert has_leak(check(tmp_path / "in"))


@pytest.mark.parametrize(
    ("distinct", "said"),
    [
        (3, "size 30x40 3, 30x41 2, 30x42 1"),
        (4, "size 30x40 4, 30x41 3, 30x42 2 and 1 more"),
        (6, "size 30x40 6, 30x41 5, 30x42 4 and 3 more"),
    ],
)
def test_the_audit_says_how_many_sizes_it_leaves_out(tmp_path, distinct, said):
    for size in range(distinct):
        for copy in range(distinct - size):
            save(tmp_path / f"in/g/1_fake/{size}-{copy}.png", 10 * size + copy, (40 + size, 30))
    text = str(check(tmp_path / "in"))
    assert any(line.endswith(f"; {said}") for line in text.splitlines()), text


def test_a_worker_that_dies_is_a_clear_error_that_promises_nothing(tmp_path):
    for index in range(200):
        save(tmp_path / f"in/gan/0_real/{index:03d}.png", index, (8, 8))
    with pytest.raises(UserError, match=r"a decoding process died.* or fewer cores .* does\.$"):
        check_source(
            find_source(tmp_path / "in"),
            workers=2,
            progress=lambda *_: [child.kill() for child in multiprocessing.active_children()],
        )


def test_files_made_alike_do_not_leak(tmp_path):
    def alike(folder, n):
        save(folder / f"{n}.jpg", 100 + n, quality=90, subsampling="4:2:0")

    # Random pixels all compress alike, up to chance: 60 files a side make 0.6 unlikely.
    for index in range(60):
        alike(tmp_path / "in/g/0_real", index)
        alike(tmp_path / "in/g/1_fake", 200 + index)
    report = check(tmp_path / "in")
    assert not has_leak(report)
    assert "WARNING" not in str(report)


@pytest.mark.parametrize("quality", [1, 10, 30, 49, 50, 51, 75, 90, 95, 99, 100])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_jpeg_settings_are_read_as_pillow_wrote_them(tmp_path, quality, subsampling):
    save(tmp_path / "a.jpg", 1, quality=quality, subsampling=subsampling)
    facts = read_facts((tmp_path / "a.jpg").read_bytes())
    assert (facts.format, facts.quality, facts.subsampling) == ("JPEG", quality, subsampling)
    assert facts.standard_table


def test_what_files_say_is_counted_by_generator_and_class(tmp_path):
    said = PngInfo()
    said.add_text("Software", "Midjourney")
    for index in range(3):
        image = Image.fromarray(save(tmp_path / f"in/g/0_real/{index}.png", index))
        (tmp_path / "in/g/1_fake").mkdir(exist_ok=True)
        texts = said if index else None
        image.rotate(90).save(tmp_path / f"in/g/1_fake/{index}.png", pnginfo=texts)
    report = check(tmp_path / "in")
    says = {entry.label: entry.says for entry in report.audit.distributions}
    assert says == {0: {}, 1: {"Midjourney": 2}}
    assert "files say Midjourney 2" in str(report)


def test_encoders_with_tables_of_their_own_are_counted(tmp_path):
    for index in range(2):
        save(tmp_path / f"in/g/0_real/{index}.jpg", index, quality=80)
        save(tmp_path / f"in/g/1_fake/{index}.jpg", 9 + index, quality="high")
    report = check(tmp_path / "in")
    found = {entry.label: entry for entry in report.audit.distributions}
    assert (found[0].encoders, found[1].encoders) == ({"libjpeg": 2}, {"Photoshop": 2})
    assert found[0].qualities == (80,) * 5
    assert found[1].qualities == (), "no quality of libjpeg's is like it"
    assert "tables of Photoshop 2" in str(report)


def test_other_tables_give_the_nearest_quality(tmp_path):
    image = Image.fromarray(save(tmp_path / "a.png", 1))
    image.save(tmp_path / "b.jpg", quality=80)
    with Image.open(tmp_path / "b.jpg") as standard:
        table = list(standard.quantization[0])
    table[40] += 3
    image.save(tmp_path / "c.jpg", qtables=[table, table])
    facts = read_facts((tmp_path / "c.jpg").read_bytes())
    assert (facts.quality, facts.standard_table) == (80, False)
    Image.fromarray(save(tmp_path / "d.png", 1)).convert("L").save(tmp_path / "e.jpg")
    assert read_facts((tmp_path / "e.jpg").read_bytes()).subsampling == "grey"


@pytest.mark.slow
def test_the_real_images_leak_their_format(shared):
    """Most photographs are JPEG files, most generated images PNG files, as their README says."""
    report = check_source(find_source(shared / "realworld"))
    assert not report.problems  # the collection's README.md and manifest.csv lie beside the images
    assert sum(report.images["train"]["imagenet_sample"].values()) == 300
    leaks = {(leak.split, leak.generator): leak.auc for leak in report.audit.leaks}
    assert leaks["train", ""] > 0.99
    assert leaks["dev", ""] > 0.85
    assert leaks["dev", "gpt_image_1_examples"] is None  # six images
    marked = {(d.split, d.generator): d.marked for d in report.audit.distributions}
    assert marked.pop(("train", "sd1_bento_png")) >= 47
    assert marked.pop(("train", "sd1_joshclwren_png")) >= 40
    assert marked.pop(("dev", "sd1_bento_png")) > 0
    assert set(marked.values()) == {0}
    dev, train = report.audit.tables
    assert dev.auc["parity of the size"] > 0.75
    assert train.auc["invisible mark"] > 0.6 > dev.auc["invisible mark"]


@pytest.mark.parametrize(
    ("folder", "text"),
    [
        ("0_real", "test b has no photographs"),
        ("1_fake", "test b has no generated images"),
    ],
)
def test_an_empty_folder_of_one_label_is_a_problem(tmp_path, folder, text):
    root = tmp_path / "tree"
    for index, name in enumerate("ab"):
        save(root / name / "0_real/a.png", 2 * index)
        save(root / name / "1_fake/b.png", 2 * index + 1)
    [file] = (root / "b" / folder).iterdir()
    file.unlink()
    assert problems(check(root)) == {
        "empty class": [f"b/{folder} holds no readable image"],
        "missing label": [text],
    }
    assert f"WARNING: {text}" in str(prepare(root, tmp_path / "out"))


def test_photographs_of_their_own_name_stand_beside_all_generators(tmp_path):
    save(tmp_path / "tree/camera/0_real/a.png", 1)
    save(tmp_path / "tree/b/1_fake/b.png", 2)
    save(tmp_path / "tree/c/1_fake/c.png", 3)
    assert problems(check(tmp_path / "tree")) == {}
    assert "WARNING" not in str(prepare(tmp_path / "tree", tmp_path / "out"))
