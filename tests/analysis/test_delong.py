"""DeLong's test against its definition, pair by pair, and under the null."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from npr_jax.analysis.statistics import delong

# The data of the paper: patients with ovarian cancer and an obstruction of
# the bowel, 31 who were helped by surgery and 12 who were not, of whom all three were measured:
# albumin and total protein in g/l, and 10 minus the K-G score.
ALBUMIN = (
    *(32, 39, 32, 16, 38, 37, 32, 38, 41, 36, 43, 23, 35, 38, 45, 37, 31, 41, 43, 43, 32, 26, 37),
    *(33, 42, 35, 21, 40, 33, 37, 36, 30, 28, 9, 25, 36, 42, 40, 30, 33, 17, 29, 28),
)
PROTEIN = (
    *(63, 68, 58, 56, 57, 67, 54, 66, 66, 57, 70, 44, 58, 68, 74, 74, 66, 82, 70, 65, 51, 47, 61),
    *(63, 77, 62, 48, 70, 57, 69, 66, 58, 48, 40, 57, 67, 76, 66, 47, 68, 40, 57, 62),
)
K_G_SCORE = (
    *(5, 7, 7, 5, 5, 4, 6, 4, 5, 5, 6, 4, 4, 3, 5, 5, 4, 4, 5, 6, 5, 4, 5, 3, 4, 5, 3, 3, 4, 5, 5),
    *(0, 4, 5, 2, 6, 6, 4, 2, 4, 3, 1, 2),
)
HELPED = (1,) * 31 + (0,) * 12


def by_definition(labels, a, b):
    """Sections 2 and 3 of the paper, with a loop over all pairs of images: areas, variance."""
    fakes = [i for i, label in enumerate(labels) if label == 1]
    photographs = [i for i, label in enumerate(labels) if label == 0]

    def psi(scores, fake, photograph):
        if scores[fake] == scores[photograph]:
            return 0.5
        return float(scores[fake] > scores[photograph])

    v10 = [
        [sum(psi(s, f, p) for p in photographs) / len(photographs) for f in fakes] for s in (a, b)
    ]
    v01 = [[sum(psi(s, f, p) for f in fakes) / len(fakes) for p in photographs] for s in (a, b)]
    areas = [sum(column) / len(column) for column in v10]
    covariance = np.cov(v10) / len(fakes) + np.cov(v01) / len(photographs)
    contrast = np.array([1, -1])
    return areas, contrast @ covariance @ contrast


@pytest.mark.parametrize("digits", [None, 0])
def test_areas_variance_and_p_follow_the_definition(digits):
    rng = np.random.default_rng(4)
    labels = rng.permutation(np.repeat([0, 1], [23, 31]))
    a = rng.normal(size=54) + labels
    b = 0.5 * a + rng.normal(size=54) + 0.3 * labels
    if digits is not None:
        a, b = np.round(a, digits), np.round(b, digits)
    result = delong(labels, a, b)
    areas, variance = by_definition(labels, a, b)
    z = (areas[0] - areas[1]) / math.sqrt(variance)
    assert (result.auc_a, result.auc_b) == pytest.approx(areas)
    assert result.auc_a == pytest.approx(metrics.roc_auc_score(labels, a))
    assert result.standard_error == pytest.approx(math.sqrt(variance))
    assert result.p_value == pytest.approx(math.erfc(abs(z) / math.sqrt(2)))
    half = 1.959963984540054 * math.sqrt(variance)
    assert result.interval == pytest.approx(
        (areas[0] - areas[1] - half, areas[0] - areas[1] + half)
    )
    assert (result.n_photographs, result.n_generated) == (23, 31)


@pytest.mark.parametrize(
    ("measured", "area", "difference", "error", "p_value"),
    [(ALBUMIN, 0.7366, 0.0108, 0.0953, 0.9102), (PROTEIN, 0.6478, -0.0780, 0.1046, 0.4561)],
)
def test_the_published_example(measured, area, difference, error, p_value):
    result = delong(HELPED, measured, K_G_SCORE)
    assert (result.auc_a, result.auc_b) == pytest.approx((area, 0.7258), abs=5e-5)
    assert result.effect == pytest.approx(difference, abs=5e-5)
    assert result.standard_error == pytest.approx(error, abs=5e-5)
    assert result.p_value == pytest.approx(p_value, abs=5e-5)
    areas, variance = by_definition(HELPED, measured, K_G_SCORE)
    assert [result.auc_a, result.auc_b] == pytest.approx(areas)
    assert result.standard_error == pytest.approx(math.sqrt(variance))


def test_an_example_small_enough_for_a_pencil():
    """Two of each: a ranks 4 of 4 pairs right, b 3 of 4."""
    labels, a, b = [0, 0, 1, 1], [1, 2, 3, 4], [1, 3, 2, 4]
    result = delong(labels, a, b)
    assert (result.auc_a, result.auc_b) == (1.0, 0.75)
    # a's components are all 1; b's are (1/2, 1) for both classes: variances 1/8, over two images.
    assert result.standard_error == pytest.approx(math.sqrt(1 / 16 + 1 / 16))


def test_only_the_order_of_scores_counts_and_the_systems_can_be_exchanged():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 40)
    a, b = rng.normal(size=(2, 80)) + labels
    result = delong(labels, a, b)
    monotone = delong(labels, np.exp(a), 3 * b - 7)
    assert monotone.p_value == pytest.approx(result.p_value)
    exchanged = delong(labels, b, a)
    assert exchanged.p_value == pytest.approx(result.p_value)
    assert exchanged.effect == pytest.approx(-result.effect)


def test_scores_that_rank_alike_do_not_differ():
    labels = np.repeat([0, 1], 10)
    scores = np.random.default_rng(0).normal(size=20)
    for other in (scores, scores * 2, np.exp(scores)):
        result = delong(labels, scores, other)
        assert (result.effect, result.p_value) == (0.0, 1.0)
    perfect = np.arange(20.0)
    assert delong(labels, perfect, perfect**3).p_value == 1.0
    assert delong(labels, perfect, -perfect).p_value == 0.0


def test_the_false_positive_rate_under_the_null():
    """10,000 pairs of equally good systems whose scores go together on the same images."""
    rng = np.random.default_rng(1)
    labels = np.repeat([0, 1], 40)
    shared = rng.normal(size=(10_000, 1, 80)) + 1.2 * labels
    scores = shared + rng.normal(size=(10_000, 2, 80))
    rejected = np.mean([delong(labels, a, b).p_value < 0.05 for a, b in scores])
    assert 0.04 <= rejected <= 0.06


def test_power_against_a_real_difference():
    rng = np.random.default_rng(2)
    labels = np.repeat([0, 1], 100)
    a, b = rng.normal(size=(2, 200)) + np.outer([2.0, 0.5], labels)
    result = delong(labels, a, b)
    assert result.p_value < 0.001
    assert result.low > 0
    # The p-value is that of the z it reports.
    assert result.p_value == pytest.approx(2 * stats.norm.sf(result.statistic))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 0, 0, 1], "3 photographs and 1 generated images; DeLong's test needs two"),
        ([0, 0, 1, 3], "allowed are 0"),
        ([0, 1], "one of each for every image"),
    ],
)
def test_what_cannot_be_compared_is_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        delong(labels, [1, 2, 3, 4], [1, 2, 3, 4])


def test_all_orders_of_a_small_sample_give_a_p_between_0_and_1():
    labels = [0, 0, 1, 1]
    for order in itertools.permutations(range(4)):
        result = delong(labels, [0, 1, 2, 3], order)
        assert 0 <= result.p_value <= 1
