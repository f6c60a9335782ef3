"""Photographs and their reconstructions: nothing but the decoder tells one from the other."""

import io

import numpy as np
import pytest
from PIL import Image

from input_pipeline.errors import UserError
from input_pipeline.images.metadata import read_facts
from input_pipeline.prepare.folders import walk_classes, walk_photographs
from input_pipeline.storage.prepared_dataset import PreparedDataset
from input_pipeline.storage.record_table import read_table
from npr_jax.cli.main import run
from npr_jax.models.reconstruction import fitted, pairs
from npr_jax.models.reconstruction.decoders import DECODERS
from npr_jax.models.reconstruction.pairs import cut, drawn_decoders, make_pairs
from tests.trees import records, skipped

NAMES = ("fir_narrow", "transposed4_narrow", "unet_transposed")
# Name, size, how it is saved.
PHOTOGRAPHS = [
    ("lake/a.jpg", (100, 81), {"quality": 71, "subsampling": 0}),
    ("lake/b.jpg", (64, 64), {"quality": 93, "subsampling": 2, "progressive": True}),
    ("lake/c.png", (90, 150), {}),
    ("town/d.webp", (77, 77), {"quality": 60}),
    ("e.jpg", (200, 70), {"quality": 30}),
]


def smooth(seed, size):
    coarse = np.random.default_rng(seed).integers(60, 196, (6, 8, 3), np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Weights as fitting begins with them: what a picture looks like does not matter here."""
    folder = tmp_path_factory.mktemp("weights")
    for name in NAMES:
        fitted.save_weights(folder / f"{name}.safetensors", DECODERS[name].network())
    return folder


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    root = tmp_path_factory.mktemp("holiday") / "holiday"
    for seed, (name, size, options) in enumerate(PHOTOGRAPHS):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        smooth(seed, size).save(root / name, **options)
    smooth(9, (63, 300)).save(root / "narrow.jpg")
    smooth(8, (80, 80)).quantize(16).save(root / "town/map.png")
    smooth(8, (80, 80)).convert("1").save(root / "town/page.png")
    (root / "lake/notes.txt").write_text("no image")
    return root


def made(photographs, output, weights, **options):
    options = {"decoders": NAMES, "largest": 96, "weights": weights, **options}
    return make_pairs(walk_photographs(photographs), output, **options)


@pytest.fixture(scope="module")
def dataset(photographs, weights, tmp_path_factory):
    return made(photographs, tmp_path_factory.mktemp("out") / "pairs", weights)


def test_every_photograph_is_followed_by_its_reconstructions(dataset):
    found = records(dataset, "train")
    assert len(found) == 3 * len(PHOTOGRAPHS)
    groups = [found[i : i + 3] for i in range(0, len(found), 3)]
    assert {photograph.filename for photograph, *_ in groups} == {n for n, *_ in PHOTOGRAPHS}
    for photograph, *reconstructions in groups:
        assert photograph.label == 0
        assert photograph.generator in ("lake", "town", "photographs")
        names = [record.generator.removeprefix("reconstructed_") for record in reconstructions]
        assert len(set(names)) == 2
        assert set(names) <= set(NAMES)
        for record, name in zip(reconstructions, names, strict=True):
            assert (record.label, record.pair) == (1, photograph.pair)
            assert record.filename == f"{photograph.filename}@{name}"
            assert record.image != photograph.image
    assert len({photograph.pair for photograph, *_ in groups}) == len(groups)


def test_files_of_a_pair_do_not_tell_them_apart(dataset, photographs):
    for record in records(dataset, "train"):
        original = (photographs / record.filename.partition("@")[0]).read_bytes()
        with Image.open(io.BytesIO(original)) as old, Image.open(io.BytesIO(record.image)) as new:
            assert new.format == old.format
            assert new.size == (record.width, record.height)
            assert getattr(new, "quantization", None) == getattr(old, "quantization", None)
            assert new.info.get("progressive") == old.info.get("progressive")
            sides = [min(side, 96) // 16 * 16 for side in old.size]
            assert list(new.size) == sides
        assert read_facts(record.image).subsampling == read_facts(original).subsampling
        assert read_facts(record.image).standard_table == read_facts(original).standard_table


def test_a_photograph_saved_again_is_the_one_it_was(dataset, photographs):
    """Its own tables on its own grid: no more than rounding changes."""
    for record in records(dataset, "train"):
        if record.label == 0 and record.filename.endswith(("jpg", "png")):
            old = np.asarray(Image.open(photographs / record.filename).convert("RGB"), int)
            new = np.asarray(Image.open(io.BytesIO(record.image)).convert("RGB"), int)
            assert np.abs(new - cut(old, 96)).mean() < 1


def test_pairs_are_in_the_table_and_are_never_divided(dataset):
    table = read_table(dataset.source("train"))
    assert len(set(table.pairs.tolist())) == len(PHOTOGRAPHS)
    hashes = table.name_hashes("0").reshape(-1, 3)
    assert (hashes == hashes[:, :1]).all()
    assert len(np.unique(hashes)) == len(PHOTOGRAPHS)


def test_what_is_left_out_is_listed(dataset):
    assert skipped(dataset.path) == {
        "narrow.jpg": "a side is below 64 pixels",
        "lake/notes.txt": "companion file",
        "town/map.png": "its few colours would tell it from its pair",
        "town/page.png": "its few colours would tell it from its pair",
    }


def test_the_same_seed_gives_the_same_bytes_even_after_an_interruption(
    dataset, photographs, weights, tmp_path, monkeypatch
):
    monkeypatch.setattr(pairs, "SHARD_BYTES", 4000)  # shards end within pairs

    class Stopped(Exception):
        pass

    def stop(done, total):
        if done == 3:
            raise Stopped

    with pytest.raises(Stopped):
        made(photographs, tmp_path / "pairs", weights, progress=stop)
    again = made(photographs, tmp_path / "pairs", weights)
    assert [r.image for r in records(again, "train")] == [
        r.image for r in records(dataset, "train")
    ]
    assert again.info["content_sha256"] == dataset.info["content_sha256"]
    assert skipped(again.path) == skipped(dataset.path)


def test_another_seed_draws_other_decoders():
    draws = {tuple(drawn_decoders("ab" * 32, NAMES, 2, seed)) for seed in range(20)}
    assert len(draws) > 2
    counts = [drawn_decoders(f"{i:064x}"[::-1], NAMES, 1, 0)[0] for i in range(300)]
    assert all(70 < counts.count(name) < 130 for name in NAMES)


def test_a_cut_lies_on_the_grid_of_jpeg_blocks():
    rows, columns = np.mgrid[:203, :135]
    pixels = np.stack([rows, columns, rows], -1).astype(np.uint8)
    part = cut(pixels, 96)
    assert part.shape == (96, 96, 3)
    assert part[0, 0].tolist() == [48, 16, 48]
    assert cut(pixels, 512).shape == (192, 128, 3)


def test_photographs_of_a_sorted_tree_are_taken_alone(photographs, weights, tmp_path):
    root = tmp_path / "sorted"
    for label in ("0_real", "1_fake"):
        (root / "train/sdxl" / label).mkdir(parents=True)
        smooth(3, (64, 64)).save(root / "train/sdxl" / label / "x.png")
    dataset = make_pairs(
        walk_classes(root), tmp_path / "out", decoders=NAMES, per_photograph=1, largest=64,
        weights=weights,
    )  # fmt: skip
    assert [r.generator.partition("_")[0] for r in records(dataset, "train")] == [
        "sdxl",
        "reconstructed",
    ]
    with pytest.raises(UserError, match="holds generated images"):
        walk_photographs(root)


def test_a_split_without_a_photograph_of_use_is_left_out(weights, tmp_path, caplog):
    root = tmp_path / "sorted"
    for split, size in {"train": (64, 64), "validation": (63, 100)}.items():
        (root / split / "own/0_real").mkdir(parents=True)
        smooth(3, size).save(root / split / "own/0_real/x.png")
    dataset = make_pairs(
        walk_classes(root), tmp_path / "out", decoders=NAMES, per_photograph=1, largest=64,
        weights=weights,
    )  # fmt: skip
    assert list(dataset.splits) == ["train"]
    assert "split validation: none of its photographs can be used" in caplog.text
    assert skipped(dataset.path) == {"validation/own/0_real/x.png": "a side is below 64 pixels"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"decoders": ("vae5",)}, "unknown decoder 'vae5'; the decoders are vae16"),
        ({"per_photograph": 4}, "--per_photograph is 4; expected 1 to 3"),
        ({"largest": 100}, "--largest is 100; expected a multiple of 16"),
        ({"decoders": ("fir_narrow",) * 2}, "each once"),
        ({"seed": -1}, "--seed is -1; expected 0 or more"),
    ],
)
def test_what_cannot_be_is_refused_before_any_work(photographs, weights, tmp_path, options, said):
    with pytest.raises(UserError, match=said):
        made(photographs, tmp_path / "out", weights, **options)
    assert not (tmp_path / "out").exists()


def test_a_folder_whose_name_is_none_for_a_data_set_is_refused_with_the_flag(tmp_path, capsys):
    (tmp_path / "1_fake").mkdir()
    smooth(0, (64, 64)).save(tmp_path / "1_fake" / "x.png")
    arguments = [f"--photographs={tmp_path / '1_fake'}", f"--output={tmp_path / 'out'}"]
    assert run(["pairs", *arguments]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line == (
        "error: data set name '1_fake_pairs' is not allowed: use lower-case letters, digits and "
        "underscores, a letter first, as in --name=my_pictures."
    )


def test_folders_without_photographs_are_refused(weights, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="holds no images"):
        walk_photographs(tmp_path / "empty")
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/a.txt").write_text("no image")
    with pytest.raises(UserError, match="holds no images"):
        made(tmp_path / "texts", tmp_path / "out", weights)
    (tmp_path / "texts/a.png").write_text("no image")
    with pytest.raises(UserError, match=r"none of the 1 photographs can be used, a\.png for one: "):
        made(tmp_path / "texts", tmp_path / "out", weights)
    tree = tmp_path / "fakes/sdxl/1_fake"
    tree.mkdir(parents=True)
    smooth(0, (64, 64)).save(tree / "x.png")
    with pytest.raises(UserError, match="holds no photographs to reconstruct"):
        make_pairs(walk_classes(tmp_path / "fakes"), tmp_path / "out", weights=weights)


def test_the_description_says_what_made_it(dataset):
    info = PreparedDataset.load(dataset.path).info
    assert (info["made_by"], info["paired"], info["name"]) == ("pairs", True, "holiday_pairs")
    assert set(info["pairs"]["decoders"]) == set(NAMES)
    assert info["pairs"]["per_photograph"] == 2
