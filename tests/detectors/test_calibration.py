"""Temperature, bias, unsure band and threshold against synthetic logits whose truth is known."""

import math

import numpy as np
import pytest
from scipy import stats

from npr_jax.detectors.calibration import Calibration
from npr_jax.evaluation import calibration_fit
from npr_jax.evaluation.calibration_measures import (
    calibration_error,
    measure_probabilities,
    measure_threshold,
    measure_verdicts,
    reliability,
)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def drawn(seed, count, temperature=1.0, bias=0.0, spread=3.0):
    """Logits, and labels as likely as sigmoid(logit / temperature + bias) says."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0.5, spread, count)
    chances = sigmoid(logits / temperature + bias)
    return (rng.random(count) < chances).astype(int), logits


@pytest.mark.parametrize(("temperature", "bias"), [(1.0, 0.0), (3.5, -1.2), (0.4, 2.0)])
def test_a_known_temperature_and_bias_are_recovered(temperature, bias):
    labels, logits = drawn(0, 100_000, temperature, bias, spread=4 * temperature)
    found = calibration_fit.fit_scaling(labels, logits)
    assert found[0] == pytest.approx(temperature, rel=0.04)
    assert found[1] == pytest.approx(bias, abs=0.04)


def test_the_fit_is_the_minimum_of_the_likelihood_with_platts_targets():
    """No step in any direction is better, computed here by itself."""
    labels, logits = drawn(1, 300, 2.0, 0.5)
    positives, negatives = labels.sum(), (1 - labels).sum()
    targets = np.where(labels == 1, (positives + 1) / (positives + 2), 1 / (negatives + 2))

    def loss(temperature, bias):
        p = sigmoid(logits / temperature + bias)
        return -(targets * np.log(p) + (1 - targets) * np.log(1 - p)).mean()

    temperature, bias = calibration_fit.fit_scaling(labels, logits)
    least = loss(temperature, bias)
    for step in (1e-3, -1e-3):
        assert loss(temperature + step, bias) > least
        assert loss(temperature, bias + step) > least


def test_separated_classes_have_a_finite_fit():
    labels = np.repeat([0, 1], 50)
    temperature, bias = calibration_fit.fit_scaling(labels, np.where(labels == 1, 9.0, -9.0))
    probabilities = sigmoid(np.array([-9.0, 9.0]) / temperature + bias)
    np.testing.assert_allclose(probabilities, [1 / 52, 51 / 52], atol=1e-6)


def test_images_that_cannot_be_calibrated_with():
    with pytest.raises(ValueError, match="one class"):
        calibration_fit.fit_scaling(np.ones(40, int), np.arange(40.0))
    labels = np.repeat([1, 0], 50)
    with pytest.raises(ValueError, match="no higher for generated images"):
        calibration_fit.fit_scaling(labels, np.arange(100.0))
    with pytest.raises(ValueError, match="no higher"):
        calibration_fit.fit_scaling(labels, np.zeros(100))


def test_calibration_error_by_hand():
    """Two bins of 15: [2/15, 3/15) and [14/15, 1]."""
    labels = np.array([0, 0, 1, 0, 1, 1])
    probabilities = np.array([0.14, 0.16, 0.18, 0.15, 0.95, 1.0])
    bins = reliability(labels, probabilities)
    assert [(row["n"], row["share_generated"]) for row in bins] == [(4, 0.25), (2, 1.0)]
    by_hand = 4 / 6 * abs(0.1575 - 0.25) + 2 / 6 * abs(0.975 - 1.0)
    assert calibration_error(bins) == pytest.approx(by_hand)
    measured = measure_probabilities(labels, probabilities)
    assert measured["ece"] == pytest.approx(by_hand)
    assert measured["brier"] == pytest.approx(np.mean((probabilities - labels) ** 2))
    assert measured["accuracy"] == pytest.approx(5 / 6)
    right = [0.86, 0.84, 0.18, 0.85, 0.95, 1.0]
    assert measured["nll"] == pytest.approx(-np.log(right).mean())


def test_calibrating_lowers_the_error_on_fresh_images():
    fitted = calibration_fit.fit(*drawn(2, 4000, 4.0, 1.0), 0.05)
    labels, logits = drawn(3, 50_000, 4.0, 1.0)
    before = measure_probabilities(labels, sigmoid(logits))["ece"]
    after = measure_probabilities(labels, fitted.probabilities(logits))["ece"]
    assert before > 0.15
    assert after < 0.03


def test_threshold_is_the_conformal_quantile():
    rng = np.random.default_rng(4)
    photographs = rng.normal(size=1999)
    for rate in (0.01, 0.05, 0.3):
        found = calibration_fit.threshold_for(photographs, rate)
        # The share of 2000 ranks: numpy's quantile of the 1999 logits and one at infinity.
        expected = np.quantile(np.append(photographs, np.inf), 1 - rate, method="inverted_cdf")
        assert found == expected
        assert (photographs > found).mean() <= rate
    # 99 photographs are the fewest that a rate of 1 % can be kept with: the highest of them.
    assert calibration_fit.threshold_for(photographs[:99], 0.01) == photographs[:99].max()
    assert calibration_fit.threshold_for(photographs[:98], 0.01) is None


def test_threshold_keeps_its_rate_on_fresh_photographs():
    """The mean over many draws of the exact rate of a normal distribution."""
    rng = np.random.default_rng(5)
    rates = [
        stats.norm.sf(calibration_fit.threshold_for(rng.normal(size=150), 0.05))
        for _ in range(3000)
    ]
    # Exactly (150 + 1 - 144) / 151 = 7 / 151 in expectation.
    assert np.mean(rates) == pytest.approx(7 / 151, abs=0.002)
    assert np.mean(rates) <= 0.05


@pytest.mark.parametrize(("separation", "count"), [(2.0, 400), (3.0, 400)])
def test_the_error_among_the_decided_stays_below_the_target(separation, count):
    """On a large fresh sample, in at least 95 % of 300 calibrations, on either side."""
    rng = np.random.default_rng(6)
    failures, decided = 0, 0.0
    for _ in range(300):
        labels = rng.integers(0, 2, count)
        logits = rng.normal(separation * (labels - 0.5), 1)
        high, low = calibration_fit.set_band(labels, logits, 0.0, 0.05)
        # Exact: the classes are as frequent, each normal around plus or minus half the separation.
        right, wrong = (
            np.array([0.0 if t is None else stats.norm.sf(t, centre) for t in (high, low and -low)])
            for centre in (separation / 2, -separation / 2)
        )
        share = wrong / np.maximum(right + wrong, 1e-300)
        failures += bool((share > 0.05).any())
        decided += (right + wrong).sum() / 2 / 300
    # Two sides, each failing with at most 5 %; four standard errors above that.
    assert failures <= 300 * 0.0975 + 4 * math.sqrt(300 * 0.0975 * 0.9025)
    assert decided > (0.1 if separation < 3 else 0.7)


def test_a_band_by_hand():
    """59 right ones show an error below 5 %; with one wrong among them 93 are needed."""
    assert calibration_fit.fewest_decided(0.05) == 59
    confidences = np.arange(100, 0, -1.0)
    wrong = np.zeros(100, bool)
    assert calibration_fit.largest_decided(confidences[:58], wrong[:58], 0.05) is None
    assert calibration_fit.largest_decided(confidences[:59], wrong[:59], 0.05) == confidences[58]
    wrong[70] = True
    assert stats.beta.ppf(0.95, 2, 92 - 1) > 0.05 > stats.beta.ppf(0.95, 2, 93 - 1)
    assert calibration_fit.largest_decided(confidences[:92], wrong[:92], 0.05) == confidences[69]
    assert calibration_fit.largest_decided(confidences[:93], wrong[:93], 0.05) == confidences[92]
    # Images of one confidence are decided together or not at all.
    assert calibration_fit.largest_decided(np.ones(100), wrong, 0.05) == 1.0
    wrong[:10] = True
    assert calibration_fit.largest_decided(np.ones(100), wrong, 0.05) is None


def test_a_side_that_cannot_be_reached_is_unsure():
    labels, logits = drawn(7, 4000, 1.0, 0.0, spread=6.0)
    # Generated images that look like the surest photographs.
    labels = np.append(labels, np.ones(600, int))
    logits = np.append(logits, np.full(600, -30.0))
    high, low = calibration_fit.set_band(labels, logits, 0.0, 0.05)
    assert high is not None
    assert low is None
    known = Calibration(1.0, 0.0, 0.05, high, low)
    assert [known.verdict(z) for z in (99.0, 0.0, -99.0)] == ["generated", "unsure", "unsure"]


def test_verdicts_and_threshold_are_counted():
    known = Calibration(2.0, 0.0, 0.1, generated_from=1.0, photograph_to=-1.0)
    labels = np.array([1, 0, 0, 0, 1, 1])
    logits = np.array([1.0, 5.0, 0.9, -1.0, -2.0, 3.0])
    found = measure_verdicts(known, labels, logits)
    assert (found["decided"], found["wrong"]) == (5, 2)
    assert found["decided_share"] == pytest.approx(5 / 6)
    assert found["error"] == pytest.approx(2 / 5)
    assert (found["called_generated"], found["photographs_called_generated"]) == (3, 1)
    assert (found["called_photograph"], found["generated_called_photograph"]) == (2, 1)
    above = measure_threshold(labels, logits, 2.0)
    assert above["false_positive_rate"] == pytest.approx(1 / 3)
    assert above["found"] == pytest.approx(1 / 3)
    assert measure_threshold(labels, logits, None) is None
    assert known.probabilities(logits)[1] == pytest.approx(sigmoid(2.5))
