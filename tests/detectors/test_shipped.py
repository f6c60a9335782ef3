"""What is said of the bundled detector is so: its figures, and the logits behind them."""

import pathlib

import numpy as np
import pytest
from PIL import Image

from docs.research.detector_figures import TABLE, Measured, Scored, card_of, summary
from input_pipeline.images.transforms import deliver
from input_pipeline.storage.csv_files import read_csv
from npr_jax import Detector
from npr_jax.detectors.card import load_card, own_card

DOCS = pathlib.Path(__file__).parents[2] / "docs"
EVERY = 20  # how many rows of the table one is scored again of


@pytest.fixture(scope="module")
def table():
    return DOCS / "results" / TABLE


def test_the_card_has_the_figures_of_the_table(table):
    """Its own, or, of a detector that has learned from the table's images, the one before it."""
    card, _ = load_card(own_card())
    measured = Measured.read(card_of(table))
    assert measured.calibration is not None
    found = summary(Scored.read(table), measured.calibration, measured.generators)
    assert card.facts["figures"]["dev"].keys() == found.keys() == {"clean", "web", "hard"}
    for delivery, figures in found.items():
        told = card.facts["figures"]["dev"][delivery]
        assert told.keys() == figures.keys()
        for name, value in figures.items():
            assert told[name] == pytest.approx(value, abs=5e-5)


@pytest.mark.slow
def test_the_table_has_the_logits_of_the_weights(table, shared):
    columns, rows = read_csv(table)
    folder = shared / "realworld"
    if not folder.is_dir():
        pytest.skip("the shared files have no realworld")
    if Measured.read(card_of(table)).sha256 != Measured.read(own_card()).sha256:
        pytest.skip("the table is of an earlier detector, whose weights are not here")
    detector = Detector.default()
    for delivery in columns[3:]:
        images = [
            deliver(np.asarray(Image.open(folder / row["filename"]).convert("RGB")), delivery)
            for row in rows[::EVERY]
        ]
        expected = [float(row[delivery]) for row in rows[::EVERY]]
        np.testing.assert_allclose(detector.logits(images), expected, atol=2e-3)
