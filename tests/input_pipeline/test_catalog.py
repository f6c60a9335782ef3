"""The catalogue against method.md, and trees laid out as each published data set."""

import pytest

from input_pipeline.catalog import catalog, find_entry
from input_pipeline.catalog_listing import format_catalog
from input_pipeline.prepared import PreparedDataset
from input_pipeline.sources import find_source
from tests.trees import prepare, records, save, skipped

# Table: (resize of the test protocol, its generators), typed from method.md, section 3.
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
        for entry in catalog()
        if entry.table
    }
    assert found == TABLES
    assert len(find_entry("aigc_detect_benchmark").generators) == 16
    assert len(find_entry("genimage").generators) == 8
    assert dict(find_entry("progan-4class").generators[0].images)["train"] == 144_024


def test_every_entry_says_where_it_is_from_and_under_what_terms():
    text = format_catalog()
    for entry in catalog():
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


@pytest.mark.parametrize("entry", catalog(), ids=lambda entry: entry.name)
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
    tree = find_source(tmp_path / "set/val", dataset="progan_4class").tree
    assert list(tree.splits) == ["validation"]
    tree = find_source(tmp_path / "set/val", dataset="progan_4class", split="train").tree
    assert list(tree.splits) == ["train"]
    save(tmp_path / "BEGAN/0_real/a.png", 0)
    [file] = find_source(tmp_path / "BEGAN", dataset="gangen_detection").tree.splits["test"]
    assert file.generator == "BEGAN"


def test_the_same_generator_in_two_places_is_refused(tmp_path):
    save(tmp_path / "in/old/BEGAN/0_real/a.png", 0)
    save(tmp_path / "in/new/BEGAN/0_real/a.png", 1)
    with pytest.raises(ValueError, match=r"BEGAN in several places: new, old"):
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


def test_a_tree_of_something_else_is_refused(tmp_path):
    save(tmp_path / "in/lsun/0_real/a.png", 0)
    with pytest.raises(ValueError, match=r"no images of GANGen-Detection .*'lsun' is no generator"):
        find_source(tmp_path / "in", dataset="gangen_detection")
    with pytest.raises(ValueError, match=r"--split=dev is none of .*; it has test"):
        find_source(tmp_path / "in", dataset="gangen_detection", split="dev")
    with pytest.raises(ValueError, match="needs --source=DIR"):
        find_source(dataset="gangen_detection")
