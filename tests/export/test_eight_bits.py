"""``export --eight_bits`` and ``predict --precision=int8``."""

import csv
import shutil

import numpy as np
import pytest
from PIL import Image

from npr_jax.cli import main
from npr_jax.detectors.card import own_card
from npr_jax.export.eight_bits import in_eight_bits
from npr_jax.inference.onnx_scorer import OnnxScorer
from npr_jax.inference.packed_detector import PackedDetector
from tests import runs
from tests.inference.test_scorer import picture

PICTURES = 8


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(PICTURES):
        Image.fromarray(runs.picture(number, number % 2 == 1)).save(folder / f"{number}.png")
    (folder / "broken.png").write_bytes(b"none")
    return folder


@pytest.fixture(scope="module")
def own_network():
    return own_card().with_suffix(".onnx").read_bytes()


@pytest.fixture(scope="module")
def own_eight_bits(own_network):
    """Made of pictures that none of the tests scores."""
    return in_eight_bits(own_network, [picture(96, 128, n) for n in range(4)])


def scores(path):
    with path.open() as file:
        return {row["path"]: float(row["score"]) for row in csv.DictReader(file) if row["score"]}


def test_a_detector_gets_a_file_that_scores_nearly_alike(packed, pictures, tmp_path, capsys):
    out, tables = tmp_path / "out", [tmp_path / "float32.csv", tmp_path / "int8.csv"]
    how = [f"--weights={packed}", f"--eight_bits={pictures}", f"--output={out}"]
    assert main.run(["export", "--format=detector", *how]) == 0
    said = capsys.readouterr().out
    assert f"8 bits: ranges from {PICTURES} of {PICTURES + 1} files" in said
    assert f"1 more cannot be scored, {pictures / 'broken.png'} the first of them" in said
    names = sorted(path.name for path in out.iterdir())
    assert names == ["tiny.int8.onnx", "tiny.json", "tiny.onnx", "tiny.safetensors"]
    assert (out / "tiny.onnx").read_bytes() == (packed / "tiny.onnx").read_bytes()
    for table in tables:
        how = [f"--weights={out}", f"--precision={table.stem}", f"--output={table}"]
        assert main.run(["predict", str(pictures), *how]) == 1, "one is broken"
    said = capsys.readouterr().err
    assert "detector: tiny 1.0; " in said
    assert "detector: tiny 1.0 (int8); " in said
    exact, quick = map(scores, tables)
    assert len(exact) == PICTURES
    assert quick == pytest.approx(exact, abs=0.05)
    assert quick != exact


def test_tiles_and_company_do_not_change_a_score(own_eight_bits):
    """Ranges are constants of the file, not of what is scored."""
    image, scorer = picture(300, 340), OnnxScorer(own_eight_bits)
    [whole], _ = scorer.score_all([image])
    [in_tiles], _ = OnnxScorer(own_eight_bits, tile=(128, 128)).score_all([image])
    together, _ = scorer.score_all([picture(64, 64, 9), image])
    assert in_tiles == pytest.approx(whole, abs=1e-3)
    assert together[1] == whole


def test_a_picture_larger_than_those_the_ranges_are_of_scores_nearly_alike(
    own_network, own_eight_bits
):
    """A sum over its positions is a hundred times as large."""
    image = np.tile(picture(96, 128, 9), (10, 10, 1))
    [exact], _ = OnnxScorer(own_network).score_all([image])
    [quick], _ = OnnxScorer(own_eight_bits).score_all([image])
    assert quick == pytest.approx(exact, abs=0.1)


def test_the_bundled_one_is_whole_and_close_to_the_other():
    quick = PackedDetector.open(own_card(), precision="int8")
    exact = PackedDetector.open(own_card())
    assert quick.weights_sha256 == exact.weights_sha256
    images = [picture(80, 120, n) for n in range(6)]
    [of_exact, of_quick] = [d.logits(images) for d in (exact, quick)]
    assert np.abs(of_quick - of_exact).max() < 0.1
    assert np.abs(of_quick - of_exact).max() > 0


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (["--engine=flax"], "leave --engine=flax out"),
        (["--workdir=runs/mine"], "--precision=int8 and --workdir do not go together"),
        (["--checkpoint=last"], "--precision=int8 and --checkpoint do not go together"),
        (["--evidence=folder"], "--precision=int8 and --evidence do not go together"),
        (["--engine=ray", "--output=scores"], "--precision is not of --engine=ray"),
    ],
)
def test_what_it_cannot_do_is_refused(flags, problem, pictures, capsys):
    assert main.run(["predict", str(pictures), "--precision=int8", *flags]) == 2
    assert problem in capsys.readouterr().err


def test_a_detector_without_such_a_file_says_how_to_make_one(packed, pictures, capsys):
    assert main.run(["predict", str(pictures), "--precision=int8", f"--weights={packed}"]) == 2
    assert "export --format=detector --eight_bits=" in capsys.readouterr().err


def test_a_damaged_file_is_not_replaced_by_the_other(packed, pictures, tmp_path, capsys):
    copied = shutil.copytree(packed, tmp_path / "copied")
    (copied / "tiny.int8.onnx").write_bytes((packed / "tiny.onnx").read_bytes()[:-9])
    assert main.run(["predict", str(pictures), "--precision=int8", f"--weights={copied}"]) == 2
    assert "tiny.int8.onnx cannot be used" in capsys.readouterr().err


def test_pictures_that_cannot_be_read_give_no_ranges(packed, tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(b"none")
    flags = [f"--weights={packed}", f"--eight_bits={tmp_path}", f"--output={tmp_path / 'out'}"]
    assert main.run(["export", "--format=detector", *flags]) == 2
    assert "none of these pictures can be scored" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
