"""Two systems on the same images."""

import dataclasses

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from npr_jax.analysis.paper_tables.export import write_comparison
from npr_jax.analysis.statistics import compare_systems, delong, holm, mcnemar
from npr_jax.analysis.statistics.systems import common_images
from tests.analysis.table_runs import scores_of, write_table

GENERATORS = ("fir", "nearest", "unet", "shuffle", "vae", "cyclegan", "control")


@pytest.fixture(scope="module")
def systems():
    return scores_of(GENERATORS, shift=1.5, count=100), scores_of(GENERATORS, shift=0.7, count=100)


def test_every_generator_is_tested_and_adjusted(systems):
    a, b = systems
    found = compare_systems(a, b, n_resamples=200)
    for measure, test in (("auc", delong), ("accuracy", mcnemar)):
        rows = [row for row in found.images if row.measure == measure]
        assert [row.generator for row in rows] == sorted(set(GENERATORS) - {"control"})
        p_values = []
        for row in rows:
            mine = a.generators == row.generator
            p_values.append(test(a.labels[mine], a.logits[mine], b.logits[mine]).p_value)
            assert row.test.p_value == p_values[-1]
            assert row.low <= row.a - row.b <= row.high
        assert [row.adjusted_p for row in rows] == holm(p_values)


def test_means_and_tests_over_generators(systems):
    a, b = systems
    found = compare_systems(a, b, n_resamples=50)
    areas = [
        [
            metrics.roc_auc_score(s.labels[s.generators == name], s.logits[s.generators == name])
            for name in GENERATORS
            if name != "control"
        ]
        for s in (a, b)
    ]
    assert found.means["auc"] == pytest.approx(tuple(np.mean(areas, axis=1)))
    t, signed_ranks = found.generators["auc"]
    assert t.p_value == pytest.approx(stats.ttest_rel(*areas).pvalue)
    assert signed_ranks.smallest_p == 2 / 2**6


def test_words_for_a_difference_and_for_none(systems):
    a, b = systems
    said = compare_systems(a, b, n_resamples=200).sentences("new", "old")
    assert "AUC, mean over 6 generators: new" in said[0]
    assert "new is ahead by" in said[0]
    assert "more than noise" in said[0]
    for text in compare_systems(a, a, n_resamples=50).sentences("one", "two"):
        assert "within noise" in text


def test_common_images_are_paired_by_name(systems):
    a, _ = systems
    order = np.random.default_rng(0).permutation(len(a))[:50]
    part = a.subset(order)
    part = dataclasses.replace(part, logits=part.logits + 1)
    first, second = common_images(a, part)
    assert len(first) == 50
    np.testing.assert_array_equal(first.filenames, second.filenames)
    np.testing.assert_allclose(second.logits, first.logits + 1, rtol=1e-6)
    with pytest.raises(ValueError, match="scored on different images"):
        compare_systems(a, part)
    other = dataclasses.replace(part, filenames=[f"other{name}" for name in part.filenames])
    with pytest.raises(ValueError, match="no image in common"):
        common_images(a, other)


def test_a_split_without_photographs_has_accuracy_alone():
    """Without photographs there is no AUC; how many generated images are found can be compared."""
    a, b = scores_of(["one", "two"]), scores_of(["one", "two"], noise=5)
    kept = [scores.subset(np.flatnonzero(scores.labels == 1)) for scores in (a, b)]
    found = compare_systems(*kept, n_resamples=50)
    assert {row.measure for row in found.images} == {"accuracy"}
    assert set(found.means) == {"accuracy"}


def test_only_evaluations_of_one_name_are_compared(tmp_path):
    write_table(tmp_path / "a", "forensynths")
    write_table(tmp_path / "b", "gangen_detection")
    assert write_comparison([tmp_path / "a"], [tmp_path / "b"], tmp_path) == []
    write_table(tmp_path / "b", "forensynths", noise=2, lacking=("stylegan2",))
    files = write_comparison([tmp_path / "a"], [tmp_path / "b"], tmp_path / "out")
    page = files[1].read_text()
    assert "on forensynths-test-squash256-clean" in page
    assert "AUC, mean over 7 generators" in page
