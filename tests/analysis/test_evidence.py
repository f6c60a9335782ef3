"""``predict --evidence``: pictures, tables and JSON for each file, whole or not at all."""

import csv
import json

import ml_collections
import numpy as np
import pytest
import torch
from flax import nnx
from PIL import Image

from configs import multiscale_attention
from npr_jax.analysis.evidence import reduced
from npr_jax.cli.predict import predict_files
from npr_jax.inference import evidence_images
from npr_jax.inference.detector import Detector
from npr_jax.inference.heat_map import HeatMap
from npr_jax.models.systems.registry import build_model
from npr_jax.residuals.front_end import paper_front_end
from tests.models.parity import images


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Two pictures and a file that is none, scored with evidence."""
    root = tmp_path_factory.mktemp("evidence")
    config = ml_collections.ConfigDict(multiscale_attention.get_config().model)
    config.backbone = "thin_resnet"
    detector = Detector(build_model(config, nnx.Rngs(params=0)), source="test")
    for name, picture in zip(("a.png", "b.png"), images(2, 64, 96), strict=True):
        Image.fromarray(picture).save(root / name)
    (root / "c.txt").write_text("no image")
    paths = [str(root / name) for name in ("c.txt", "a.png", "b.png")]
    target = root / "out"
    status = predict_files(
        detector,
        paths,
        str(root / "s.csv"),
        confidence=0.75,
        evidence=str(target),
    )
    assert status == 1
    return detector, target


def test_every_scored_picture_has_its_folder(written):
    _, target = written
    with open(target / "evidence.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["error"] != "" for row in rows] == [True, False, False]
    assert sorted(path.name for path in target.iterdir()) == [
        "000001-a",
        "000002-b",
        "evidence.csv",
    ]
    for row in rows[1:]:
        names = {path.name for path in (target / row["folder"]).iterdir()}
        residuals = {f"residual-{scale}.png" for scale in ("0.25", "0.5", "0.75")}
        assert names == residuals | {"overlay.png", "sheet.png", "heat_map.csv", "evidence.json"}
        weights = [float(row[f"weight_{scale}"]) for scale in ("0.25", "0.5", "0.75")]
        assert sum(weights) == pytest.approx(1, abs=1e-5)


def test_pictures_stand_upright_and_numbers_are_of_pixels_as_stored(written, tmp_path):
    detector, target = written
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(images(2, 64, 96)[0]).save(tmp_path / "a.png", exif=exif)
    paths, table = [str(tmp_path / "a.png")], str(tmp_path / "s.csv")
    predict_files(detector, paths, table, confidence=0.75, evidence=str(tmp_path / "out"))
    turned, stored = tmp_path / "out" / "000000-a", target / "000001-a"
    for name in ("overlay.png", "residual-0.5.png"):
        seen = [np.asarray(Image.open(folder / name)) for folder in (turned, stored)]
        np.testing.assert_array_equal(seen[0], np.rot90(seen[1], -1))
    assert (turned / "heat_map.csv").read_text() == (stored / "heat_map.csv").read_text()
    told = json.loads((turned / "evidence.json").read_text())
    assert (told["orientation"], told["shown"]) == (6, "turned by 90° to the right")


def test_numbers_are_the_detectors(written):
    detector, target = written
    image = images(2, 64, 96)[0]
    folder = target / "000001-a"
    told = json.loads((folder / "evidence.json").read_text())
    [logit] = detector.logits(image[None])
    assert told["logit"] == pytest.approx(logit, abs=1e-5)
    with open(folder / "heat_map.csv", newline="") as file:
        cells = list(csv.DictReader(file))
    values = np.array([float(cell["value"]) for cell in cells])
    assert len(values) == told["heat_map"]["rows"] * told["heat_map"]["columns"] == 8 * 12
    assert values.mean() == pytest.approx(logit, abs=1e-3)
    assert [float(cells[13][axis]) for axis in ("y", "x")] == [8, 8]


def test_residual_pictures_are_torchs(written):
    """Black, grey and white are differences of -0.1, 0 and 0.1, by torch's own resizing."""
    _, target = written
    image = images(2, 64, 96)[0]
    x = torch.tensor(image).permute(2, 0, 1)[None] / 255
    for factor in (0.25, 0.5, 0.75):
        small = torch.nn.functional.interpolate(x, size=(int(64 * factor), int(96 * factor)))
        difference = x - torch.nn.functional.interpolate(small, size=(64, 96))
        expected = (127.5 + 1275 * difference[0].permute(1, 2, 0).numpy()).clip(0, 255)
        shown = np.asarray(Image.open(target / "000001-a" / f"residual-{factor}.png"))
        np.testing.assert_allclose(shown, expected, atol=0.51)


def test_evidence_of_several_detectors_is_refused(tmp_path):
    class Several:
        members = ("one", "another")

    with pytest.raises(ValueError, match="--evidence is of one detector"):
        predict_files(Several(), [str(tmp_path)], "", confidence=0.75, evidence=str(tmp_path))


def test_residuals_of_large_pictures_are_shown():
    """At every second pixel the residual of factor 0.5 is zero: nothing would be seen of it."""
    image = np.random.default_rng(0).integers(0, 256, (1000, 700, 3), np.uint8)
    residual = evidence_images.residual_pixels(image, paper_front_end(0.5))
    shown = reduced(residual)
    assert max(shown.shape) <= 512
    assert (shown != 128).mean() > 0.5


def test_one_position_does_not_take_the_colour_of_all_others():
    """One of 400 has a hundred times the value of those that speak, and half say nothing."""
    values = np.zeros((20, 20), np.float32)
    values[:, :10] = -0.5
    values[3, 15] = 50
    found = HeatMap(values, stride=1, first=0, method="positions")
    grey = np.full((20, 20, 3), 128, np.uint8)
    drawn = evidence_images.overlay(grey, found).astype(int)
    assert evidence_images.full_colour(found) == 0.5
    np.testing.assert_array_equal(drawn[10, 17], 128)
    red, _, blue = drawn[10, 3]
    assert blue - red > 100, "blue: a photograph"
    red, _, blue = drawn[3, 15]
    assert red - blue > 100, "orange: generated"
    nothing = HeatMap(np.zeros((20, 20), np.float32), stride=1, first=0, method="positions")
    np.testing.assert_array_equal(evidence_images.overlay(grey, nothing), grey)
