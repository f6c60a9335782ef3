"""The figures of the detector's card, against scikit-learn and counts by hand."""

import dataclasses
import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from docs.research import detector_figures
from docs.research.detector_figures import Measured, Scored, card_of, main, mean_auc, summary, whose
from npr_jax.detectors.calibration import Calibration
from npr_jax.detectors.card import own_card

NAMES = ["lake"] * 4 + ["street"] * 4 + ["old"] * 2 + ["new"] * 4 + ["newer"] * 2
LABELS = np.repeat([0, 1], 8)
CLEAN = np.array([-3, -2, -1, 0.5, -4, -2, 1.5, 2.5, 3, 3, 2, 2, -1, 0.5, 2.5, 4])
CALIBRATION = Calibration(1.0, 0.0, 0.05, generated_from=2.0, photograph_to=None)


@pytest.fixture
def scored():
    return Scored(LABELS, np.array(NAMES), {"clean": CLEAN, "web": CLEAN - 1})


def test_means_by_hand(scored):
    found = summary(scored, CALIBRATION, ["old"])["clean"]
    assert found["found"] == pytest.approx((2 / 4 + 2 / 2) / 2)
    assert found["photographs_called_generated"] == 1 / 8
    assert found["called_generated_by_source"] == 1 / 4
    assert found["balanced_accuracy"] == pytest.approx((3 / 4 + (1 + 3 / 4) / 2) / 2)
    with_ties = [
        roc_auc_score([0] * 8 + [1] * n, [*CLEAN[:8], *values])
        for n, values in ((4, CLEAN[10:14]), (2, CLEAN[14:]))
    ]
    assert found["auc"] == pytest.approx(np.mean(with_ties))
    assert found["auc_interval"][0] < found["auc"] <= found["auc_interval"][1]
    # One logit lower, one threshold: a generated image less is found.
    assert summary(scored, CALIBRATION, ["old"])["web"]["found"] == pytest.approx(1 / 4)


def test_the_interval_of_the_mean_covers_it(monkeypatch):
    """Normal scores, one unit apart: an AUC of 0.760; 100 draws, four standard errors."""
    monkeypatch.setattr(detector_figures, "RESAMPLES", 200)
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(100):
        logits = rng.normal(size=120) + np.repeat([0, 1, 1], [60, 30, 30])
        sources = np.repeat(["p", "a", "b"], [60, 30, 30])
        of = Scored(np.repeat([0, 1], 60), sources, {})
        _, low, high = mean_auc(of, logits, ["a", "b"])
        covered += low <= 0.7602 <= high
    assert covered >= 100 * (0.95 - 4 * np.sqrt(0.05 * 0.95 / 100))


@pytest.fixture
def evaluations(tmp_path):
    """Evaluations of the same images, in another order."""

    def write(name, order, rows):
        lines = ["filename,generator,label,logit,probability"]
        lines += [f"{i}.png,{NAMES[i]},{LABELS[i]},{rows[i]},0.5" for i in order]
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        return f"{name.removesuffix('.csv')}={tmp_path / name}"

    return write


def test_evaluations_are_joined_by_file_name(evaluations, scored, tmp_path):
    flags = [
        "--scores",
        evaluations("clean.csv", range(16), CLEAN),
        "--scores",
        evaluations("web.csv", range(15, -1, -1), CLEAN - 1),
    ]
    main([str(tmp_path / "made/table.csv"), *flags])
    read = Scored.read(tmp_path / "made/table.csv")
    np.testing.assert_array_equal(read.labels, LABELS)
    assert Measured.read(card_of(tmp_path / "made/table.csv")) == Measured.read(own_card())
    for delivery, logits in scored.logits.items():
        np.testing.assert_allclose(read.logits[delivery], logits, atol=1e-5)
    flags[-1] = evaluations("hard.csv", range(15), CLEAN)
    with pytest.raises(ValueError, match="not of the images of the other deliveries"):
        main([str(tmp_path / "table.csv"), *flags])


def test_figures_are_written_onto_the_card_and_nothing_else_of_it_changes(evaluations, tmp_path):
    card, table = tmp_path / "card.json", tmp_path / "dev.csv"
    facts = json.loads(own_card().read_text(encoding="utf-8"))
    card.write_text(json.dumps(facts), encoding="utf-8")
    scores = ["--scores", evaluations("clean.csv", range(16), CLEAN)]
    main([str(table), *scores, f"--card={card}", "--onto_card"])
    written = json.loads(card.read_text(encoding="utf-8"))
    [(delivery, figures)] = written["figures"]["dev"].items()
    known = Measured.read(own_card())
    expected = summary(Scored.read(table), known.calibration, known.generators)["clean"]
    assert delivery == "clean"
    assert figures["auc"] == pytest.approx(expected["auc"], abs=5e-5)
    assert figures["auc_interval"] == pytest.approx(expected["auc_interval"], abs=5e-5)
    others = {"figures": None, "card_sha256": None}
    assert written | others == facts | others
    assert written["card_sha256"] != facts["card_sha256"]
    assert json.loads(card_of(table).read_text(encoding="utf-8")) == written


def test_the_page_shows_every_group(scored):
    calibration = dataclasses.replace(CALIBRATION, photograph_to=-0.75)
    card = Measured("name 1", "a", calibration, {"train_family": ["old"]})
    block = detector_figures.format_block(scored, card)
    assert "| of these, called photographs | 12.5 | 12.5 |" in block  # 1 of 4 and 0 of 2
    assert "| photographs called photographs | 62.5 | 62.5 |" in block
    for text in ("| `old`* | 2 |", "| `new` | 4 |", "| `lake` | 4 | 0.0 (0 to 49) |"):
        assert text in block
    with pytest.raises(ValueError, match="name 1 has no calibration"):
        detector_figures.format_block(scored, dataclasses.replace(card, calibration=None))


def test_the_page_says_whose_figures_they_are(scored):
    """Also where the bundled detector has learned from the images of the table."""
    card = Measured("name 1", "a", CALIBRATION, {"train_family": ["old"]})
    assert whose(scored, card, card).endswith("name 1, the bundled detector.")
    later = Measured("name 2", "b", CALIBRATION, {"train_family": ["old", "new", "other"]})
    text = whose(scored, card, later)
    assert "those of name 1." in text
    assert "is name 2**, which was trained on 2 of these 3 generators" in text
    with pytest.raises(ValueError, match="trained on every generator"):
        summary(scored, CALIBRATION, ["old", "new", "newer"])
