"""Whether real generators that were never trained on are found, by the numbers alone."""

import numpy as np
import pytest

from docs.research import detector_question
from docs.research.answer import UNMEASURED
from docs.research.detector_figures import Measured, Scored
from tests.research import sweeps

CARD = Measured("name 1", "a", None, {"train_family": ["old", "reconstructed_vae4"]})


def logits_of(shift):
    """40 photographs, and 40 images each of an old and two unseen generators."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 1, 1], 40)
    names = np.repeat(["street", "old", "stylegan2_tpdne_jpg", "glid3_xl_dcsan"], 40)
    values = rng.normal(size=160) + np.repeat([0, 9, shift, shift], 40)
    return Scored(labels, names, {"clean": values, "web": values - 1})


@pytest.mark.parametrize(("shift", "word"), [(5.0, "yes"), (1.0, "in part"), (-1.0, "not shown")])
def test_the_word_follows_from_the_intervals(shift, word):
    answer = detector_question.answered(logits_of(shift), CARD, {})
    assert answer.word == word
    assert answer.figure is not None
    assert "images of 1 other source and reconstructions by 1 decoder;" in answer.paragraph
    assert "80 images of the generators and 40 photographs" in answer.paragraph
    assert "old" not in answer.table, "it was trained on"


def test_families_and_the_embedded_data_stand_beside_it():
    tables = {"scales": sweeps.table({"0.5": 0.99})}
    answer = detector_question.answered(logits_of(1.0), CARD, tables)
    assert "over 1 GAN generator and" in answer.paragraph
    assert "over 1 diffusion generator." in answer.paragraph
    assert "points above the clean figure here: simulated generators" in answer.paragraph


def test_without_the_table_it_is_open(tmp_path):
    assert detector_question.unseen(tmp_path, {}).word == UNMEASURED
