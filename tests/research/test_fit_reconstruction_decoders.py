"""Fitting a decoder: it learns, repeats itself, and its table keeps other decoders' rows."""

import pathlib
import sys

import jax
import numpy as np
import pytest
from flax import nnx
from PIL import Image

from docs.research import fit_reconstruction_decoders as fitting
from input_pipeline.storage.csv_files import read_csv
from npr_jax.models.reconstruction.decoders import DECODERS


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for seed in range(24):
        coarse = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), np.uint8)
        picture = Image.fromarray(coarse).resize((96, 96), Image.Resampling.BICUBIC)
        picture.save(folder / f"{seed}.png")
    Image.new("RGB", (40, 200)).save(folder / "narrow.png")
    (folder / "notes.txt").write_text("no photograph")
    return folder


def test_one_photograph_in_ten_is_held_back_wherever_the_folder_lies(photographs, tmp_path):
    fitted, held_back = fitting.photographs_in(str(photographs))
    assert len(fitted) + len(held_back) == 24
    assert 0 < len(held_back) < 8
    moved = photographs.rename(tmp_path / "moved")
    assert len(fitting.photographs_in(str(moved))[1]) == len(held_back)


def test_the_gradient_counts_what_a_shift_of_level_leaves_out():
    ramp = np.linspace(-1, 1, 8 * 8 * 3, dtype=np.float32).reshape(1, 8, 8, 3)
    assert float(fitting.fidelity_loss(ramp + 0.1, ramp)) == pytest.approx(0.1, rel=1e-4)
    rows = np.resize([0.1, -0.1], 8)[None, :, None, None].astype(np.float32)
    # As far off at every pixel, and 0.2 more from row to row; nothing from column to column.
    assert float(fitting.fidelity_loss(ramp + rows, ramp)) == pytest.approx(0.2, rel=1e-4)


@pytest.mark.slow
def test_fitting_learns_and_repeats_itself(photographs):
    pictures, _ = fitting.photographs_in(str(photographs))
    first, again = (fitting.fit_decoder("fir_narrow", pictures, 24) for _ in range(2))
    for one, two in zip(*(jax.tree.leaves(nnx.state(n)) for n in (first, again)), strict=True):
        np.testing.assert_array_equal(one, two)
    targets = np.stack([picture[:64, :64] for picture in pictures]).astype(np.float32) / 127.5 - 1
    fresh = fitting.find_decoder("fir_narrow").network()
    before, after = (float(fitting.fidelity_loss(n(targets)[0], targets)) for n in (fresh, first))
    assert after < 0.8 * before


@pytest.mark.slow
def test_the_table_keeps_the_rows_of_other_decoders(photographs, tmp_path, monkeypatch):
    table = tmp_path / "table.csv"
    table.write_text("decoder,parameters,steps,seconds,psnr\nvae4,1,2,3,24.0\n")
    monkeypatch.setattr(fitting, "_TEST_SIDE", 64)
    arguments = [f"--photographs={photographs}", "--decoders", "fir_narrow", "--steps", "4"]
    arguments += ["--output", str(tmp_path), "--table", str(table)]
    monkeypatch.setattr(sys, "argv", ["fit", *arguments])
    fitting.main()
    _, kept, new = table.read_text().splitlines()
    assert kept == "vae4,1,2,3,24.0"
    name, _, steps, _, psnr = new.split(",")
    assert (name, steps) == ("fir_narrow", "4")
    assert 0 < float(psnr) < 40
    assert (tmp_path / "fir_narrow.safetensors").stat().st_size > 50_000


def test_the_committed_table_and_the_page_agree():
    root = pathlib.Path(__file__).resolve().parents[2]
    _, rows = read_csv(root / "docs/results/reconstruction/decoders.csv")
    assert [row["decoder"] for row in rows] == list(DECODERS)
    page = (root / "docs/data.md").read_text()
    for row in rows:
        name, size, psnr = row["decoder"], int(row["parameters"]), row["psnr"]
        shapes = nnx.state(nnx.eval_shape(DECODERS[name].network), nnx.Param)
        assert size == sum(np.prod(leaf.shape) for leaf in jax.tree.leaves(shapes))
        begin, end = f"| `{name}` | ", f" | {size:,} | {psnr} |"
        assert any(x.startswith(begin) and x.endswith(end) for x in page.splitlines())
