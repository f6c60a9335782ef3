"""Composites, and what tells a map that points at the region from one that does not."""

import csv
import json

import numpy as np
import pytest
from flax import nnx

from configs import default
from input_pipeline.images.preprocessing import NATIVE, Preprocessing
from input_pipeline.simulation import camera, composites
from input_pipeline.simulation.composites import Composites, make_composites, region_of
from npr_jax import Detector
from npr_jax.cli import main
from npr_jax.evaluation.localization import folder_of, judge, localize, seen_by, summarize
from npr_jax.inference.heat_map import HeatMap
from npr_jax.models.systems.registry import build_model


@pytest.fixture(scope="module")
def made():
    """Two families, with the grids in step and one pixel out of it."""
    return {
        (family, shift): made
        for family, shift, made in make_composites(
            ("nearest_conv", "control"), count=3, size=64, seed=5, shifts=(0, 1)
        )
    }


def test_only_the_region_differs_between_families_and_shifts(made):
    reference = made["nearest_conv", 0]
    assert reference.images.shape == (3, 64, 64, 3)
    for other in made.values():
        np.testing.assert_array_equal(other.masks, reference.masks)
        differs = (other.images != reference.images).any(-1)
        assert not (differs & ~reference.masks).any()
    apart = (made["nearest_conv", 1].images != reference.images).any(-1)
    assert apart[reference.masks].mean() > 0.5


def test_the_region_shows_the_photographs_scene(made):
    """No content of its own: what differs from the photograph is small beside the scene."""
    scenes = tuple(range(composites.FIRST_SCENE, composites.FIRST_SCENE + 3))
    clean, _ = camera.shoot(5, scenes, 64, (0,))
    clean = camera.inner(clean)
    for composite in made.values():
        inside = composite.masks
        error = composite.images[inside] - clean[inside]
        assert np.abs(error).mean() < 0.35 * clean[inside].std()


def test_regions_lie_on_the_grid_and_off_the_border():
    for number in range(200):
        rows, columns = region_of(1, number, 128)
        for place in (rows, columns):
            assert place.start % 8 == place.stop % 8 == 0
            assert 8 <= place.start < place.stop <= 120
        assert 32 <= rows.stop - rows.start == columns.stop - columns.start <= 64


@pytest.mark.parametrize(
    "wrong",
    [{"families": ("gan",)}, {"count": 0}, {"size": 60}, {"size": 32}, {"shifts": (0, 5)}],
)
def test_other_settings_are_refused(wrong):
    settings = {"families": ("control",), "count": 1, "size": 64, "seed": 0, "shifts": (0,)}
    settings |= wrong
    families = settings.pop("families")
    with pytest.raises(ValueError):
        make_composites(families, **settings)


def test_what_cannot_be_localized_leaves_nothing(as_default, tmp_path, capsys):
    output = tmp_path / "results"
    assert main.run(["localize", f"--output={output}", "--image_size=65"]) == 2
    assert "composites of 65 pixels; allowed are multiples of 8" in capsys.readouterr().err
    assert not output.exists()
    output.write_text("mine")
    assert main.run(["localize", f"--output={output}"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line == f"error: --output={output} is a file; localize needs a directory"


def test_a_planted_map_is_judged_right():
    masks = np.zeros((40, 64, 64), bool)
    for number, mask in enumerate(masks):
        mask[region_of(0, number, 64)] = True
    made = Composites(np.zeros((40, 64, 64, 3), np.uint8), masks)
    rng = np.random.default_rng(0)

    def rows(maps):
        found = [HeatMap(values.astype(np.float32), 1, 0.0, "positions") for values in maps]
        return summarize(judge("unet", 0, made, found, np.zeros(40)), seed=0)[0]

    exact = rows(masks.astype(float))
    assert (exact["pixel_auc"], exact["hits"]) == (1.0, 1.0)
    assert exact["interval"] == [1.0, 1.0]
    inverse = rows(1.0 - masks)
    assert (inverse["pixel_auc"], inverse["hits"]) == (0.0, 0.0)
    blind = rows(rng.normal(size=masks.shape))
    assert blind["pixel_auc"] == pytest.approx(0.5, abs=0.01)
    assert blind["interval"][0] < 0.5 < blind["interval"][1]
    assert blind["hits"] == pytest.approx(blind["area"], abs=0.2)
    assert exact["area"] == pytest.approx(masks.mean())


def test_localize_writes_tables_and_pictures(trained, tmp_path):
    detector = Detector.load(trained.workdir)
    results = localize(detector, tmp_path, count=2, size=64, families=("nearest_conv",))
    assert [(row["family"], row["shift"]) for row in results["rows"]] == [
        ("nearest_conv", 0),
        ("nearest_conv", 1),
    ]
    folder = tmp_path / "localization"
    assert json.loads((folder / "localization.json").read_text()) == results
    with open(folder / "composites.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    mean = np.mean([float(row["pixel_auc"]) for row in rows if row["shift"] == "0"])
    assert results["rows"][0]["pixel_auc"] == pytest.approx(mean)
    assert len(list(folder.glob("*.png"))) == 4
    assert [path.name for path in tmp_path.iterdir()] == ["localization"]


class Halved:
    """A file view that makes of an image every second row and column."""

    description = "halved"

    def stream(self, images):
        return (np.ascontiguousarray(image[::2, ::2]) for image in images)


def a_detector(preprocessing=NATIVE, **options):
    config = default.get_model()
    config.backbone = "thin_resnet"
    model = build_model(config, nnx.Rngs(params=0))
    return Detector(model, preprocessing, source="test", **options)


def test_maps_are_of_what_the_network_gets(made):
    """The region goes through the crop and the file view with its pixels."""
    drawn = made["nearest_conv", 0]
    detector = a_detector(Preprocessing(resize=128, crop=121, jpeg_quality=90))
    detector.file_view = Halved()
    seen = seen_by(detector, drawn)
    assert seen.images.shape == (3, 60, 60, 3)
    expected = list(detector.see(drawn.images))
    np.testing.assert_array_equal(seen.images, expected)
    # Twice the size, cut by 4 pixels a side, halved: the mask but for 2 pixels a side.
    assert (seen.masks == drawn.masks[:, 2:-2, 2:-2]).mean() > 0.99
    native = seen_by(a_detector(), drawn)
    np.testing.assert_array_equal(native.images, drawn.images)
    np.testing.assert_array_equal(native.masks, drawn.masks)


def test_composites_that_cannot_be_judged_are_refused(made, tmp_path):
    with pytest.raises(ValueError, match="metadata looks at files and not at pixels"):
        localize(a_detector(system="metadata"), tmp_path, count=1, size=64)
    drawn = made["nearest_conv", 0]
    corner = np.zeros_like(drawn.masks)
    corner[:, :8, :8] = True
    with pytest.raises(ValueError, match=r"centre crop of 32 pixels .* another --image_size"):
        seen_by(a_detector(Preprocessing(crop=32)), Composites(drawn.images, corner))


def test_the_last_checkpoint_has_a_folder_of_its_own():
    detector = a_detector()
    assert folder_of(detector) == "localization"
    detector.checkpoint = "last"
    assert folder_of(detector) == "localization-last"
