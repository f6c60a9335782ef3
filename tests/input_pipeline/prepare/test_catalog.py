"""The catalogue against the NPR paper's tables, and trees laid out as each published data set."""

import pytest

from input_pipeline.prepare.catalog import CATALOG, find_entry, format_catalog
from input_pipeline.prepare.sources import find_source
from input_pipeline.storage.prepared_dataset import PreparedDataset
from tests.trees import prepare, records, save, skipped

# Table: (resize of the test protocol, its generators), typed from the NPR paper's tables.
TABLES = {
    1: (256, "biggan cyclegan deepfake gaugan progan stargan stylegan stylegan2"),
    2: (0, "AttGAN BEGAN CramerGAN InfoMaxGAN MMDGAN RelGAN S3GAN SNGAN STGAN"),
    3: (256, "adm ddpm iddpm ldm pndm sdv1_new sdv2 vqdiffusion"),
    4: (256, "dalle glide_100_10 glide_100_27 glide_50_27 guided ldm_100 ldm_200 ldm_200_cfg"),
    5: (256, "DALLE ddpm guided-diffusion improved-diffusion midjourney"),
}


def test_the_five_tables_are_the_papers():
    found = {
        entry.table: (
            entry.protocol["test"].resize,
            " ".join(generator.folder for generator in entry.generators),
        )
        for entry in CATALOG
        if entry.table
    }
    assert found == TABLES
    assert len(find_entry("aigc_detect_benchmark").generators) == 16
    assert len(find_entry("genimage").generators) == 8
    assert dict(find_entry("progan-4class").generators[0].images)["train"] == 144_024


def test_every_entry_says_where_it_is_from_and_under_what_terms():
    text = format_catalog()
    for entry in CATALOG:
        assert entry.homepage
        assert entry.terms
        assert entry.citation
        assert set(entry.protocol) == set(entry.splits.values())
        assert f"{entry.name} (Table {entry.table})" in text or not entry.table
        for generator in entry.generators:
            assert generator.folder in text
            assert entry.find(generator.folder) is generator


def published_layout(entry, root):
    """Writes one image of each label per generator and split as the archive lays them out."""
    split_folders = {split: folder for folder, split in reversed(entry.splits.items())}
    labels = {"nature": 0, "ai": 1} if entry.name == "genimage" else {"0_real": 0, "1_fake": 1}
    count = 0
    for split, split_folder in split_folders.items():
        for generator in entry.generators:
            for class_name in generator.classes or ("",):
                for folder in labels:
                    if entry.name == "genimage":  # <generator>/<archive>/<split>/<label>
                        parts = [generator.folder, generator.aliases[0], split_folder]
                    elif entry.name == "progan_4class":  # <split>/<class>/<label>
                        parts = [split_folder, class_name]
                    else:  # <generator>/[<class>/]<label>
                        parts = [generator.folder, class_name]
                    path = root.joinpath(*filter(None, parts), folder, f"{split}{count}.png")
                    save(path, count, (8, 8))
                    count += 1
    return count


@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.name)
def test_the_published_layout_of_every_entry_is_read(entry, tmp_path):
    root = tmp_path / "in"
    count = published_layout(entry, root)
    summary = prepare(root, tmp_path / "out", dataset=entry.name)
    assert not summary.missing
    assert not summary.strays
    dataset = PreparedDataset.load(tmp_path / "out")
    assert dataset.info["name"] == dataset.info["dataset"] == entry.name
    assert dataset.info["licence"] == entry.terms
    assert set(dataset.splits) == set(entry.splits.values())
    assert sum(split.num_examples for split in dataset.splits.values()) == count
    for name, split in dataset.splits.items():
        assert set(split.generators) == {generator.folder for generator in entry.generators}
        for record in records(dataset, name):
            generator = entry.find(record.generator)
            assert record.class_name in (generator.classes or ("",))
            assert record.label == int("1_fake" in record.filename or "/ai/" in record.filename)
            assert f"/{name}" in f"/{record.filename.split('/')[-1]}"


def test_other_spellings_and_folders_around_are_understood(tmp_path):
    root = tmp_path / "downloads"
    save(root / "CNN_synth_testset/test/StyleGAN-2/church/real/a.png", 0)
    save(root / "CNN_synth_testset/test/StyleGAN-2/church/fake/b.png", 1)
    save(root / "CNN_synth_testset/test/Big Gan/1_fake/c.png", 2)
    prepare(root, tmp_path / "out", dataset="ForenSynths")
    found = records(PreparedDataset.load(tmp_path / "out"), "test")
    assert [(r.generator, r.class_name, r.label) for r in found] == [
        ("biggan", "", 1),
        ("stylegan2", "church", 1),
        ("stylegan2", "church", 0),
    ]


def test_what_a_table_does_not_count_is_left_out_and_said(tmp_path):
    root = tmp_path / "in"
    save(root / "test/progan/cat/1_fake/a.png", 0)
    save(root / "test/crn/1_fake/b.png", 1)
    save(root / "test/stylgan/0_real/c.png", 2)
    save(root / "train/cat/0_real/d.png", 3)
    save(root / "test/progan/cat/more/1_fake/e.png", 4)
    save(root / "test/progan/1_fakes/f.png", 5)
    summary = prepare(root, tmp_path / "out", dataset="forensynths")
    assert skipped(tmp_path / "out") == {
        "test/crn/1_fake/b.png": "generator 'crn' is not counted by forensynths",
        "test/stylgan/0_real/c.png": "folder 'stylgan' is no generator of forensynths; did you "
        "mean stylegan?",
        "train/cat/0_real/d.png": "split 'train' is not part of forensynths",
        "test/progan/cat/more/1_fake/e.png": "deeper than <generator>/<class>",
        "test/progan/1_fakes/f.png": "not in a folder 0_real or 1_fake",
    }
    assert len(summary.missing) == 7
    assert "WARNING: missing generators: test biggan" in str(summary)


def test_a_single_split_or_generator_can_be_the_source(tmp_path):
    save(tmp_path / "set/val/cat/0_real/a.png", 0)
    save(tmp_path / "set/val/cat/1_fake/b.png", 1)
    tree = find_source(tmp_path / "set/val", dataset="progan_4class")
    assert list(tree.splits) == ["validation"]
    with pytest.raises(ValueError, match=r"--split=train is given, but .* has split folders"):
        find_source(tmp_path / "set/val", dataset="progan_4class", split="train")
    save(tmp_path / "BEGAN/0_real/a.png", 0)
    [file] = find_source(tmp_path / "BEGAN", dataset="gangen_detection").splits["test"]
    assert file.generator == "BEGAN"


def test_the_same_generator_in_two_places_is_refused(tmp_path):
    save(tmp_path / "in/old/BEGAN/0_real/a.png", 0)
    save(tmp_path / "in/new/BEGAN/0_real/a.png", 1)
    with pytest.raises(ValueError, match=r"BEGAN in several places: new/BEGAN, old/BEGAN"):
        find_source(tmp_path / "in", dataset="gangen_detection")


def test_photographs_that_generators_share(tmp_path):
    """UniversalFakeDetect's own archive has the photographs in two folders of their own."""
    root = tmp_path / "in"
    for index, generator in enumerate(find_entry("universal_fake_detect").generators):
        save(root / generator.folder / "1_fake" / "a.png", index)
    save(root / "laion/0_real/a.png", 90)
    save(root / "imagenet/0_real/a.png", 91)
    summary = prepare(root, tmp_path / "out", dataset="universal_fake_detect")
    generators = summary.splits["test"].generators
    assert generators["laion"] == generators["imagenet"] == {"photographs": 1, "generated": 0}
    assert not summary.missing


def test_decoded_storage_takes_the_size_of_the_protocol(tmp_path):
    for name, generator, size in (("forensynths", "biggan", 256), ("gangen_detection", "SNGAN", 0)):
        save(tmp_path / name / generator / "1_fake/a.png", 0, (40, 30))
        prepare(tmp_path / name, tmp_path / f"{name}.out", dataset=name, storage="decoded")
        [record] = records(PreparedDataset.load(tmp_path / f"{name}.out"), "test")
        assert (record.height, record.width) == ((size, size) if size else (30, 40))


# Trees as archives and copies of them lie on disks, with what each file must become:
# {path: (split, generator, class, label)}, or the reason why it counts nowhere.
TREES = {
    ("forensynths", "CNN_synth_testset"): {
        "progan/train/0_real/a.png": ("test", "progan", "train", 0),
        "progan/TV-monitor/1_fake/b.png": ("test", "progan", "tvmonitor", 1),
        "stylegan2/ship/1_fake/c.png": ("test", "stylegan2", "ship", 1),
        "biggan/0_real/d.png": ("test", "biggan", "", 0),
        "san/0_real/e.png": "generator 'san' is not counted by forensynths",
        "deepfake/train/0_real/f.png": "split 'train' is not part of forensynths",
    },
    ("progan_4class", "ForenSynths"): {
        "progan_train/car/0_real/a.png": ("train", "progan", "car", 0),
        "progan_train/Horse/1_fake/b.png": ("train", "progan", "horse", 1),
        "progan_train/airplane/1_fake/c.png": "folder 'airplane' is no generator of progan_4class",
        "progan_val/cat/1_fake/d.png": ("validation", "progan", "cat", 1),
        "progan/car/1_fake/e.png": "outside the split folders of this tree",
        "test/progan/chair/1_fake/f.png": "split 'test' is not part of progan_4class",
        "biggan/0_real/g.png": "folder 'biggan' is no generator of progan_4class",
    },
    ("progan_4class", "val"): {
        "chair/0_real/a.png": ("validation", "progan", "chair", 0),
        "train/0_real/b.png": "folder 'train' is no generator of progan_4class",
    },
    ("forensynths", "progan"): {
        "train/0_real/a.png": ("test", "progan", "train", 0),
        "car/1_fake/b.png": ("test", "progan", "car", 1),
    },
    ("genimage", "GenImage"): {
        "stable_diffusion_v_1_4/imagenet_ai_0419_sdv4/train/ai/a.png": (
            *("train", "stable_diffusion_v_1_4"),
            *("", 1),
        ),
        "imagenet_midjourney/val/nature/b.JPEG": ("test", "Midjourney", "", 0),
        "imagenet_glide/test/nature/c.JPEG": "split 'test' is not part of genimage",
    },
    ("diffusion_forensics", "DiffusionForensics"): {
        "adm/imagenet/0_real/a.png": ("test", "adm", "imagenet", 0),
        "sdv2/bedroom/1_fake/b.png": ("test", "sdv2", "bedroom", 1),
        "vq-diffusion/bedroom/1_fake/c.png": ("test", "vqdiffusion", "bedroom", 1),
        "adm/train/imagenet/0_real/d.png": "split 'train' is not part of diffusion_forensics",
        "if/bedroom/1_fake/e.png": "generator 'if' is not counted by diffusion_forensics",
    },
    ("universal_fake_detect", "diffusion_datasets"): {
        "laion/0_real/a.png": ("test", "laion", "", 0),
        "laion/1_fake/b.png": "generated images in the photographs of universal_fake_detect",
        "glide_100_27/1_fake/c.png": ("test", "glide_100_27", "", 1),
    },
    ("diffusion_1k_step", "Diffusion1kStep"): {
        "ddpm/google-ddpm-church-256/1_fake/a.png": ("test", "ddpm", "google-ddpm-church-256", 1),
        "guided-diffusion/1_fake/b.png": ("test", "guided-diffusion", "", 1),
    },
    ("gangen_detection", "GANGen-Detection"): {
        "AttGAN/0_real/a.png": ("test", "AttGAN", "", 0),
        "train/BEGAN/0_real/b.png": "split 'train' is not part of gangen_detection",
    },
    ("aigc_detect_benchmark", "test"): {
        "stable_diffusion_v_1_5/0_real/a.png": ("test", "stable_diffusion_v_1_5", "", 0),
        "stylegan/bedroom/1_fake/b.png": ("test", "stylegan", "bedroom", 1),
        "DALLE2/1_fake/c.png": ("test", "DALLE2", "", 1),
    },
}


@pytest.mark.parametrize(("dataset", "root"), TREES, ids=lambda value: value)
def test_trees_as_they_lie_on_disks(tmp_path, dataset, root):
    expected = TREES[dataset, root]
    for index, path in enumerate(expected):
        save(tmp_path / root / path, index, (8, 8), format="png")
    tree = find_source(tmp_path / root, dataset=dataset)
    found = {stray.path: stray.reason for stray in tree.strays}
    for split, files in tree.splits.items():
        for file in files:
            found[file.filename] = (split, file.generator, file.class_name, file.label)
    assert found == expected


@pytest.mark.parametrize(
    ("dataset", "folders"),
    [
        ("diffusion_forensics", ("sdv1_new/bedroom", "SDv1/bedroom")),
        ("diffusion_1k_step", ("DALLE", "dalle2")),
        ("genimage", ("stable_diffusion_v_1_4/train", "sdv4/train")),
        ("aigc_detect_benchmark", ("DALLE2", "dalle")),
    ],
)
def test_two_folders_of_one_generator_are_refused(tmp_path, dataset, folders):
    for index, folder in enumerate(folders):
        save(tmp_path / "in" / folder / "1_fake/a.png", index)
    with pytest.raises(ValueError, match="in several places"):
        find_source(tmp_path / "in", dataset=dataset)


def test_training_images_are_no_test_set(tmp_path):
    """The source is the training half of an archive, the data set the other."""
    save(tmp_path / "ForenSynths/train/progan/car/0_real/a.png")
    with pytest.raises(ValueError, match="split 'train' is not part of forensynths"):
        find_source(tmp_path / "ForenSynths/train", dataset="forensynths")


def test_a_tree_of_something_else_is_refused(tmp_path):
    save(tmp_path / "in/lsun/0_real/a.png", 0)
    with pytest.raises(ValueError, match=r"no images of GANGen-Detection .*'lsun' is no generator"):
        find_source(tmp_path / "in", dataset="gangen_detection")
    with pytest.raises(ValueError, match=r"--split=dev is none of .*; it has test"):
        find_source(tmp_path / "in", dataset="gangen_detection", split="dev")
    with pytest.raises(ValueError, match="needs --source=DIR"):
        find_source(dataset="gangen_detection")
