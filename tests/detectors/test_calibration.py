"""Temperature, bias and the limits of verdicts against synthetic logits whose truth is known."""

import numpy as np
import pytest
from scipy import stats

from npr_jax.detectors.calibration import Calibration
from npr_jax.evaluation import calibration_fit
from npr_jax.evaluation.calibration_measures import (
    calibration_error,
    measure,
    measure_probabilities,
    measure_verdicts,
    reliability,
    verdicts_of,
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
    labels, logits = drawn(2, 4000, 4.0, 1.0)
    fitted = calibration_fit.fit(labels, logits[:, None], np.full(4000, "camera"), 0.05, 0.1)
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


def made(seed, count, shifts, source_shift=0.0):
    """Labels, logits [n, d] and sources: two classes 6 apart, both shifted alike by delivery.

    A fifth of the photographs are of a source that lies higher by ``source_shift``.
    """
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], count)
    sources = np.where(np.arange(2 * count) % 5 == 0, "odd", "camera")
    centres = 6 * labels - 3 + np.where((sources == "odd") & (labels == 0), source_shift, 0)
    noise = rng.normal(size=(2 * count, len(shifts)))
    return labels, centres[:, None] + np.array(shifts) + noise, sources


def test_either_class_keeps_its_rate_in_each_delivery_on_fresh_images():
    """In expectation over calibrations; exactly, since either class is normal in each delivery."""
    shifts = np.array([0.0, 2.0, -1.5])
    alarms, misses = [], []
    for seed in range(150):
        labels, logits, sources = made(seed, 79, shifts)
        fitted = calibration_fit.fit(labels, logits, sources, 0.05, 0.5)
        alarms.append(stats.norm.sf(fitted.generated_from, -3 + shifts))
        misses.append(stats.norm.cdf(fitted.photograph_to, 3 + shifts))
    # Of 79 photographs the limit lies above the 76th: 4 of 80 are expected above it in the delivery
    # that decides, hardly any in the others.
    assert np.mean(alarms, axis=0) == pytest.approx([0, 4 / 80, 0], abs=0.008)
    assert np.mean(misses, axis=0) == pytest.approx([0, 0, 4 / 80], abs=0.008)


def test_a_bad_source_of_photographs_decides():
    labels, logits, sources = made(0, 1000, [0.0, 1.0], source_shift=3.0)
    fitted = calibration_fit.fit(labels, logits, sources, 0.05, 0.1)
    odd = (labels == 0) & (sources == "odd")
    # Of n scores and one at infinity, the share of ranks that numpy's quantile gives.
    with_infinity = [np.append(column, np.inf) for column in logits[odd].T]
    by_hand = max(np.quantile(column, 0.9, method="inverted_cdf") for column in with_infinity)
    of_all = np.append(logits[labels == 0, 1], np.inf)
    assert np.quantile(of_all, 0.95, method="inverted_cdf") < by_hand
    assert fitted.generated_from == np.nextafter(by_hand, np.inf)
    assert (logits[odd] >= fitted.generated_from).mean(axis=0).max() <= 0.1
    # Where it has fewer than 9 photographs, its share cannot be kept, and nothing hangs on it.
    kept = np.flatnonzero(~odd | (np.cumsum(odd) <= 8))
    few = calibration_fit.fit(labels[kept], logits[kept], sources[kept], 0.05, 0.1)
    without = calibration_fit.fit(labels[~odd], logits[~odd], sources[~odd], 0.05, 0.1)
    assert few.generated_from == pytest.approx(without.generated_from, abs=0.2)
    assert few.generated_from < fitted.generated_from - 1


def test_no_verdict_contradicts_the_probability():
    labels, logits, sources = made(1, 200, [0.0, 0.0, 0.0])
    fitted = calibration_fit.fit(labels, logits, sources, 0.05, 0.1)
    # The classes lie so far apart that the shares alone would allow verdicts beyond 0.5.
    assert np.sort(logits[labels == 0].ravel())[-10] < fitted.generated_from
    assert fitted.generated_from == fitted.photograph_to == -fitted.bias * fitted.temperature
    at_limit = np.nextafter(fitted.generated_from, [-np.inf, np.inf])
    assert fitted.probabilities(at_limit) == pytest.approx(0.5)
    assert verdicts_of(fitted, at_limit).tolist() == ["photograph", "generated"]


def test_the_last_image_that_must_have_no_verdict_has_none():
    """Verdicts begin at their limits, so that an image at a limit would have one."""
    labels = np.repeat([0, 1], 20)
    rng = np.random.default_rng(2)
    logits = (rng.normal(0.2 * labels, 3)).astype(np.float32).astype(np.float64)[:, None]
    fitted = calibration_fit.fit(labels, logits, np.full(40, ""), 0.05, 0.1)
    said = verdicts_of(fitted, logits)[:, 0]
    # 20 images of a class: the highest photograph but none, ceil(21 * 0.95) = 20, may be below.
    assert "generated" not in said[labels == 0]
    assert "photograph" not in said[labels == 1]
    assert fitted.verdict(float(logits[labels == 0].max())) == "unsure"
    next_higher = float(np.nextafter(np.float32(logits[labels == 0].max()), np.float32(np.inf)))
    assert fitted.verdict(next_higher) == "generated"


def test_too_few_images_give_no_verdict():
    labels = np.repeat([0, 1], [18, 19])
    logits = np.where(labels == 1, 2.0, -2.0)[:, None]
    fitted = calibration_fit.fit(labels, logits, np.full(37, ""), 0.05, 0.1)
    assert calibration_fit.fewest(0.05) == 19
    assert calibration_fit.fewest(0.1) == 9
    assert fitted.generated_from is None
    assert [fitted.verdict(z) for z in (99.0, 0.5, -99.0)] == ["unsure", "unsure", "photograph"]


def test_verdicts_are_counted():
    known = Calibration(2.0, 0.0, 0.1, generated_from=1.0, photograph_to=-1.0)
    labels = np.array([1, 0, 0, 0, 1, 1])
    logits = np.array([1.0, 5.0, 0.9, -1.0, -2.0, 3.0])
    found = measure_verdicts(labels, verdicts_of(known, logits))
    assert (found["decided"], found["wrong"]) == (5, 2)
    assert found["decided_share"] == pytest.approx(5 / 6)
    assert found["error"] == pytest.approx(2 / 5)
    assert (found["called_generated"], found["photographs_called_generated"]) == (3, 1)
    assert (found["called_photograph"], found["generated_called_photograph"]) == (2, 1)
    low, high = found["photographs_interval"]
    assert low < 1 / 3 < high
    assert known.probabilities(logits)[1] == pytest.approx(sigmoid(2.5))


def test_measures_are_of_all_deliveries_and_of_each():
    labels, logits, sources = made(3, 50, [0.0, 1.0, 4.0], source_shift=2.0)
    known = Calibration(2.0, -1.0, 0.1, generated_from=0.5, photograph_to=-1.0)
    verdicts = verdicts_of(known, logits)
    found = measure(labels, sources, sigmoid(logits), known.probabilities(logits), verdicts)
    assert list(found["deliveries"]) == ["clean", "web", "hard"]
    for values, of_each in zip(logits.T, found["deliveries"].values(), strict=True):
        assert of_each["before"] == measure_probabilities(labels, sigmoid(values))
        right = (values / 2 - 1 > 0) == (labels == 1)
        assert of_each["after"]["accuracy"] == pytest.approx(right.mean())
        alarms = (values[labels == 0] >= 0.5).sum()
        assert of_each["verdicts"]["photographs_called_generated"] == alarms
    means = [of_each["before"]["brier"] for of_each in found["deliveries"].values()]
    assert found["before"]["brier"] == pytest.approx(np.mean(means))
    assert sum(row["n"] for row in found["before"]["bins"]) == 300
    assert [row["source"] for row in found["sources"]] == ["odd", "camera"], "the worst first"
    for row in found["sources"]:
        mine = logits[(labels == 0) & (sources == row["source"])]
        counts = (mine >= 0.5).sum(axis=0)
        assert (row["n"], row["worst"]) == (len(mine), "hard")
        assert list(row["called_generated"].values()) == counts.tolist()
        assert row["share"] == counts[2] / len(mine)
