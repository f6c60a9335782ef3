"""What the page says of the invisible mark and of last rows and columns, by a made-up detector."""

import types

import numpy as np
import pytest
from PIL import Image

from docs.research import detector_edges, detector_mark
from docs.research.detector_mark import MARKED, MESSAGE, MOVED, VERSIONS
from input_pipeline.images.invisible_mark import read_mark
from input_pipeline.storage.csv_files import read_csv
from npr_jax.inference.detector import Detector


def soft(seed, shape=(264, 259)):
    """A picture with soft gradients, uint8, whose sides are no multiple of a block's."""
    coarse = np.random.default_rng(seed).integers(60, 200, (20, 20, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize(shape[::-1], Image.Resampling.BICUBIC))


class Made:
    """A detector whose logit is what it is told to see in a picture."""

    title = "made 1"
    calibration = types.SimpleNamespace(generated_from=100.5)

    def __init__(self, see):
        self.see = see

    def logits(self, images):
        return np.array([self.see(image) for image in images])


@pytest.fixture
def realworld(tmp_path):
    """Four photographs, of which one is too small to be marked, and a generated picture."""
    pictures = {f"camera/0_real/{i}.png": soft(i) for i in range(3)}
    pictures["camera/0_real/small.png"] = soft(3, (100, 101))
    pictures["new/1_fake/a.png"] = soft(4)
    for name, pixels in pictures.items():
        path = tmp_path / "in" / "dev" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return tmp_path / "in"


def run(command, realworld, see, monkeypatch):
    """The block that a command's table gives."""
    monkeypatch.setattr(command.Detector, "default", lambda: Made(see))
    table = realworld.parent / "new" / "table.csv"
    command.main([str(realworld), str(table)])
    return command.block_of(table), read_csv(table)[1]


def test_the_controls_are_written_like_the_mark_or_as_strongly():
    image = soft(0)
    still, marked, other, moved = detector_mark.versions(image, 0)
    np.testing.assert_array_equal(still, image)
    carried = [read_mark(version).is_carried for version in (still, marked, other, moved)]
    assert carried == [False, True, False, False]
    changes = [version.astype(int) - image for version in (marked, moved)]
    blocks = [np.sort(change[8:16, 240:248].reshape(64, 3), axis=0) for change in changes]
    np.testing.assert_array_equal(*blocks)
    assert np.any(changes[0] != changes[1])
    assert not np.array_equal(other, detector_mark.versions(image, 1)[2])


def test_runs_are_called_by_the_names_given_and_stand_side_by_side(realworld, monkeypatch):
    """One that the mark moves by two and one that nothing moves."""

    def load(workdir, *, calibrated):
        brightness = iter(np.repeat([99.0, 100.0, 101.0], len(VERSIONS) * 3))
        moved = 2 if workdir.name == "a" else 0
        return Made(lambda image: next(brightness) + moved * read_mark(image).is_carried)

    monkeypatch.setattr(detector_mark.Detector, "load", load)
    table = realworld.parent / "recipes.csv"
    detector_mark.main(
        [str(realworld), str(table), "--run", "never saved=runs/a", "--run", "always saved=runs/b"]
    )
    block = detector_mark.recipes_block(table)
    assert "| never saved | +2.00 (+2.00 to +2.00) | 2.00 | 3 of 3 | 0.00 |" in block
    assert "| always saved | 0.00 (0.00 to 0.00) | 0.00 | 0 of 3 | 0.00 |" in block
    assert "made 1" not in table.read_text()


def test_who_reacts_to_the_mark_alone_is_told_so(realworld, monkeypatch):
    brightness = iter(np.repeat([99.0, 100.0, 101.0], len(VERSIONS) * 3))

    def see(image):
        return next(brightness) + 2 * read_mark(image).is_carried

    block, rows = run(detector_mark, realworld, see, monkeypatch)
    assert len(rows) == 3 * 3
    assert "| clean | the mark | +2.00 (+2.00 to +2.00) | 2.00 | 3 of 3 | 2.00 | 1, 3 |" in block
    assert (
        "| clean | a random message | 0.00 (0.00 to 0.00) | 0.00 | 0 of 3 | 0.00 | 1, 1 |" in block
    )
    assert "| hard | the mark | 0.00 (0.00 to 0.00) |" in block
    assert "+2.000 to +2.000 clean" in block
    assert "3 photographs of `dev`" in block
    assert "made 1, commit " in block
    assert {MARKED, MESSAGE, MOVED} <= rows[0].keys()


def test_who_reacts_to_the_last_row_is_told_so(realworld, monkeypatch):
    levels = iter(np.repeat([98.0, 100.0, 100.0, 102.0, 150.0], 4))

    def see(image):
        height, width = image.shape[:2]
        return next(levels) - (height % 2) * (width > 200)

    block, rows = run(detector_edges, realworld, see, monkeypatch)
    assert len(rows) == 5
    assert block.count("of 4 photographs and 1 generated picture of `dev`") == 1
    spread = np.std([98, 100, 100, 102, 150], ddof=1)
    assert "| without its last column | 100.0 % | 0 | 0 | 0.000 | 0.00 |" in block
    assert 1 / spread < 0.1, "so nothing counts in this unit"
    assert f"| without its last row | 100.0 % | 0 | 0 | {0.8**0.5 / spread:.3f} | 0.04 |" in block
    assert "4, 0 and 4 pictures move by more than 0.1 of that" in block


def test_a_run_is_asked_in_place_of_the_bundled_detector(realworld, trained):
    table = realworld.parent / "edges.csv"
    detector_edges.main([str(realworld), str(table), "--run", f"own={trained.workdir}"])
    rows = read_csv(table)[1]
    assert {row["detector"] for row in rows} == {"own"}
    [logit] = [float(row[detector_edges.WHOLE]) for row in rows if row["source"] == "new"]
    expected = Detector.load(trained.workdir).logits([detector_edges.parts(soft(4))[0]])
    assert logit == pytest.approx(float(expected[0]), abs=1e-4)


@pytest.mark.parametrize("shape", [(300, 421), (256, 256), (91, 131)])
def test_parts_begin_even(shape):
    whole, row, column, both = detector_edges.parts(soft(0, shape))
    height, width = (min(256, side // 2 * 2) for side in shape)
    assert whole.shape[:2] == (height, width)
    np.testing.assert_array_equal(row, whole[: height - 1])
    np.testing.assert_array_equal(column, whole[:, : width - 1])
    np.testing.assert_array_equal(both, whole[: height - 1, : width - 1])


@pytest.mark.parametrize("command", [detector_mark, detector_edges])
def test_without_a_table_the_page_says_so(command, tmp_path):
    assert command.block_of(tmp_path / "none.csv").startswith("Not measured yet")
