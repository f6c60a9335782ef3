"""Probabilities for generators that they were not fitted to, on scores whose truth is known."""

import numpy as np
import pytest

from docs.research.unseen_calibration import crosswise_probabilities, error_of_perfect


def test_a_generator_has_no_part_in_its_own_probabilities():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 300)
    sources = np.array(["camera"] * 300 + ["a", "b", "c"] * 100)
    logits = rng.normal(size=600) + 2 * labels
    found = crosswise_probabilities(labels, sources, {"clean": logits})["clean"]
    # Normal scores two apart: the log odds are 2 z - 2.
    assert np.abs(found - 1 / (1 + np.exp(2 - 2 * logits))).max() < 0.1
    moved = np.where(sources == "a", 6.0, logits)
    other = crosswise_probabilities(labels, sources, {"clean": moved})["clean"]
    # Its own scores are seen by the other generators' probabilities only.
    assert other[sources == "a"].min() > 0.999
    assert np.abs(other[sources != "a"] - found[sources != "a"]).max() > 0.02


def test_what_chance_leaves_of_true_probabilities():
    """One bin of n images at 1/2: the mean deviation of a share, sqrt(2 / pi) / (2 sqrt(n))."""
    for n in (100, 1600):
        expected = np.sqrt(2 / np.pi) / (2 * np.sqrt(n))
        assert error_of_perfect(np.full(n, 0.5)) == pytest.approx(expected, rel=0.2)
