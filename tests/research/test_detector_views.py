"""What the pages say of shifted, mirrored and turned pictures, by pictures and logits made up."""

import dataclasses

import numpy as np
import pytest

from docs.research import detector_views, finalist_views
from docs.research.detector_views import FACTS, SIDE, VIEWS, Viewed, gain_of_averaging
from input_pipeline.storage.csv_files import write_csv


@pytest.mark.parametrize("shape", [(300, 421), (256, 256), (90, 131)])
def test_views_are_those_of_the_whole_pictures_grid(shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    still, right, down, both, mirrored, turned = detector_views.views(image)
    rows, columns = (min(SIDE, length // 2 * 2) - 2 for length in shape)
    assert still.shape == (rows, columns, 3)
    places = [
        (i, j)
        for i in range(shape[0] - rows + 1)
        for j in range(shape[1] - columns + 1)
        if np.array_equal(image[i : i + rows, j : j + columns], still)
    ]
    [(top, left)] = places
    assert top % 2 == left % 2 == 0, "the grid is that of the whole picture"
    assert abs(2 * top + rows - shape[0]) <= 4
    for view, (i, j) in ((right, (0, 1)), (down, (1, 0)), (both, (1, 1))):
        own = image[top + i : top + i + rows, left + j : left + j + columns]
        np.testing.assert_array_equal(view, own)
    np.testing.assert_array_equal(mirrored[:, ::-1], still)
    assert turned.shape == (columns, rows, 3)


@pytest.fixture
def viewed():
    """Four phases that differ by noise of their own: their mean must rank better."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 1], 100)
    sources = np.repeat(["street", "old", "new"], 100)
    logits = labels[:, None] + rng.normal(size=(300, len(VIEWS)))
    return Viewed(labels, sources, sources == "old", logits, "name 1", "commit c")


def test_the_mean_of_noisy_phases_pays(viewed):
    """AUCs of unit normals one and two deviations apart: 0.760 and 0.921."""
    single, gain, low, high = gain_of_averaging(viewed)
    assert single == pytest.approx(0.760, abs=0.04)
    assert single + gain == pytest.approx(0.921, abs=0.04)
    assert 0 < low < gain < high
    text = detector_views.format_block(viewed)
    assert "over 1 generator that it was not trained on" in text
    assert text.endswith("by that much for four times the work. Measured with commit c.")
    assert "so averaging helps" in text
    assert "name 1" in text


def test_phases_that_agree_are_not_worth_it(viewed):
    alike = dataclasses.replace(viewed, logits=np.repeat(viewed.logits[:, :1], len(VIEWS), 1))
    text = detector_views.format_block(alike)
    assert "0.00 to 0.00 of it" in text
    assert "is not shown." in text
    known = dataclasses.replace(viewed, trained_on=np.full(300, True))
    assert "over 2 generators that it was trained on" in detector_views.format_block(known)


def test_finalists_are_read_back_and_stand_side_by_side(viewed, tmp_path):
    """One whose logit a mirror image raises by two, and one that nothing moves."""
    still = np.repeat(viewed.logits[:, :1], len(VIEWS), 1)
    mirrored = still + 2 * (np.array(VIEWS) == "mirrored")
    made = ("c", "2026-11-30", "a machine")
    rows = [
        dict(zip(FACTS, (f"{i}.png", source, label, name, *made, trained), strict=True))
        | dict(zip(VIEWS, logits, strict=True))
        for name, table in (("0.5", still), ("attention", mirrored))
        for i, (source, label, trained, logits) in enumerate(
            zip(viewed.sources, viewed.labels, viewed.trained_on.astype(int), table, strict=True)
        )
    ]
    table = tmp_path / "views.csv"
    write_csv(table, [*FACTS, *VIEWS], rows)
    text = finalist_views.block_of(table)
    unit = still[viewed.labels == 0, 0].std(ddof=1)
    assert "| 0.5 | 0.00 | 0.00 | 0.00 |" in text
    assert f"| attention | 0.00 | {2 / unit:.2f} | 0.00 |" in text
    assert "100 photographs and 200 generated pictures" in text
    assert "mean over 1 generator," in text
    assert text.endswith("Commit c, 2026-11-30, a machine.")
    assert finalist_views.block_of(tmp_path / "none.csv").startswith("Not measured yet")
