"""A picture scores alike with or without its last rows and columns, whatever its size then is."""

import numpy as np
import pytest
from PIL import Image

import npr_jax
from docs.research import detector_edges
from npr_jax.inference.scorer import Scorer
from npr_jax.models.base import period
from tests import runs
from tests.inference.test_scorer import build

SIDE = 128
REAL_SIDE = 256
DROPPED = ((1, 0), (0, 1), (1, 1))  # rows at the bottom, columns at the right
# Of the spread of the logits over pictures.
MOST = 0.1


def largest_shift(logits, images, dropped=DROPPED):
    """By how much a dropped row or column moves a logit, at most, in deviations over pictures."""
    parts = [
        image[: image.shape[0] - rows, : image.shape[1] - columns]
        for image in images
        for rows, columns in ((0, 0), *dropped)
    ]
    found = np.reshape(logits(parts), (len(images), -1))
    return np.abs(found[:, 1:] - found[:, :1]).max() / found[:, 0].std()


def waves(seed):
    """uint8 ``[SIDE, SIDE, 3]``: noise, smooth to a degree; every other one up-sampled by two."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft2(rng.normal(size=(SIDE, SIDE, 3)), axes=(0, 1))
    frequencies = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE))
    spectrum /= (0.05 + frequencies[..., None]) ** (seed % 4)
    pixels = np.fft.irfft2(spectrum, axes=(0, 1))
    pixels = 128 + pixels * (20 + 5 * (seed % 3)) / pixels.std()
    if seed % 2:
        pixels = pixels[::2, ::2].repeat(2, 0).repeat(2, 1)
    return np.clip(pixels, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"phases": ((1, 1),)},
        {"modes": ("bilinear",)},
        {"modes": ("area",)},
        {"modes": ("hh",)},
        {"modes": ("none",)},
        {"modes": ("bilinear",), "factors": (0.437,), "learn_factors": (True,)},
    ],
    ids=["npr", "phase", "bilinear", "area", "hh", "none", "learned"],
)
def test_a_dropped_row_or_column_hardly_moves_a_logit(changes):
    scorer = Scorer(build(backbone="thin_resnet", **changes))
    images = [waves(seed) for seed in range(8)]
    assert largest_shift(lambda parts: scorer.score_all(parts)[0], images) < MOST


@pytest.fixture(scope="module")
def detector(trained):
    return npr_jax.Detector.load(trained.workdir)


def test_a_trained_detector_finds_what_it_found(detector, monkeypatch):
    images = [runs.picture(seed, bool(seed % 2), side=SIDE) for seed in range(8)]
    assert largest_shift(detector.logits, images) < MOST
    monkeypatch.setattr(detector._scorer, "_period", 1)
    assert largest_shift(detector.logits, images) > 5 * MOST, "without the cut it did not"


@pytest.mark.slow
@pytest.mark.parametrize("network", ["trained", "random"])
def test_real_pictures(shared, detector, network):
    """A part of photographs and generated images of many sources, two of each."""
    paths = [
        path
        for folder in sorted((shared / "realworld" / "dev").iterdir())
        for path in sorted(p for p in folder.rglob("*") if p.is_file())[:2]
    ]
    images = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    images = [
        image[:REAL_SIDE, :REAL_SIDE] for image in images if min(image.shape[:2]) >= REAL_SIDE
    ]
    assert len(images) >= 10
    logits = detector.logits
    if network == "random":
        model = build(backbone="cut_resnet50")
        assert period(model) == 2
        scorer = Scorer(model)

        def logits(parts):
            return scorer.score_all(parts)[0]

    assert largest_shift(logits, images) < MOST


@pytest.mark.slow
def test_the_shipped_detector_on_all_of_dev(shared):
    """A row or a column of 582 pictures: some 1.2 % move by more, one by 0.33."""
    rows = detector_edges.measure(shared / "realworld", npr_jax.Detector.default())
    assert len(rows) == 582
    logits = {part: np.array([float(row[part]) for row in rows]) for part in detector_edges.PARTS}
    before = logits[detector_edges.WHOLE]
    for part in (detector_edges.ROW, detector_edges.COLUMN):
        shift = np.abs(logits[part] - before) / before.std(ddof=1)
        assert np.mean(shift <= MOST) > 0.98, part
        assert shift.max() < 0.4, part


def test_an_odd_last_row_or_column_changes_nothing():
    """What is left of a difference is what is gone of the picture."""
    image = waves(3)
    odd = [image[:-1], image[:, :-1], image[:-1, :-1]]
    even = [image[:-2], image[:, :-2], image[:-2, :-2]]
    logits = npr_jax.Detector.default().logits([*odd, *even])
    np.testing.assert_allclose(logits[:3], logits[3:], atol=1e-5)
