"""The page of a sweep: its numbers are the table's, and a table that cannot be read is refused."""

import html
import re
import statistics

import numpy as np
import pytest

from npr_jax.analysis.figures import sweep as sweep_figures
from npr_jax.analysis.report import build_report
from npr_jax.analysis.sweep_results import read_sweep
from tests.analysis.made_up import sweep_rows, write_sweep


def text_of(path):
    page = path.read_text(encoding="utf-8")
    page = re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", " ", page)).replace("\u00a0", " ")


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    return write_sweep(tmp_path_factory.mktemp("sweep"), sweep_rows())


@pytest.fixture(scope="module")
def text(sweep):
    return text_of(build_report(sweep))


def means(variant, kind="unseen", measure="ap"):
    """Per seed, the mean over generators, computed from the rows by hand."""
    rows = [r for r in sweep_rows() if (r["variant"], r["kind"]) == (variant, kind)]
    seeds = sorted({row["seed"] for row in rows})
    return [statistics.fmean(r[measure] for r in rows if r["seed"] == s) for s in seeds]


@pytest.mark.parametrize("variant", ["0.25", "0.5", "both"])
def test_mean_and_deviation_over_seeds(text, variant):
    values = means(variant)
    mean, std = 100 * statistics.fmean(values), 100 * statistics.stdev(values)
    name = rf"{re.escape(variant)}(?: \(baseline\))?"
    row = re.search(rf"{name}\s+1,234\s+3 (.*?)(?:1,234|Trained)", text, re.DOTALL)
    assert re.search(rf"{mean:.1f}\s+± {std:.1f}", row[1])


def test_differences_from_the_baseline_are_those_of_the_runs(text):
    gap = np.subtract(means("both"), means("0.5")).mean()
    assert re.search(rf"both\s+\+{100 * gap:.1f}\s.*?3 / 3.*?ahead", text)
    gap = np.subtract(means("0.25"), means("0.5")).mean()
    assert re.search(rf"0\.25\s+−{-100 * gap:.1f}\s.*?0 / 3.*?behind", text)
    assert re.search(r"2 of 2\s+variants whose AP differs", text)


def test_page_says_on_what_it_stands(text):
    assert "9 runs: 3 variants, 3 seeds (0, 1, 2). Data simulation, split test" in text
    assert "400 generated images beside 500 photographs" in text


def test_the_published_detector_is_the_baseline_unless_another_is_named(sweep):
    assert read_sweep(sweep).baseline == "0.5"
    assert read_sweep(sweep, "both").baseline == "both"
    with pytest.raises(ValueError, match=r"--baseline=x; the variants are 0\.25, 0\.5, both"):
        read_sweep(sweep, "x")


def test_the_first_variant_is_the_baseline_where_none_is_the_published_detector(tmp_path):
    rows = [row for row in sweep_rows() if row["variant"] != "0.5"]
    assert read_sweep(write_sweep(tmp_path, rows)).baseline == "0.25"


def test_one_seed_and_one_variant_make_a_page(tmp_path):
    rows = [row for row in sweep_rows(seeds=(0,)) if row["variant"] == "0.5"]
    text = text_of(build_report(write_sweep(tmp_path, rows)))
    assert "1 runs: 1 variants, 1 seeds (0)" in text
    assert "nan" not in text.lower().split()


def test_a_sweep_with_unknown_measures_makes_a_page(tmp_path):
    rows = [row | {"ap": "", "auc": ""} for row in sweep_rows() if row["kind"] != "trained"]
    assert "Compared with 0.5" in text_of(build_report(write_sweep(tmp_path, rows)))


def test_tables_that_cannot_be_read_are_refused_in_one_line(tmp_path):
    rows = sweep_rows()
    cut = write_sweep(tmp_path / "cut", [{"variant": "a", "seed": 1}])
    with pytest.raises(ValueError, match=r"runs\.csv lacks the columns sweep, generator"):
        build_report(cut)
    with pytest.raises(ValueError, match=r"runs\.csv is damaged .*could not convert"):
        build_report(write_sweep(tmp_path / "words", [rows[0] | {"ap": "good"}]))
    empty = write_sweep(tmp_path / "empty", rows[:1])
    head = (empty / "runs.csv").read_text().splitlines()[0]
    (empty / "runs.csv").write_text(head + "\n")
    with pytest.raises(ValueError, match="no run of the sweep is finished yet"):
        build_report(empty)


def test_heat_map_writes_each_number_and_no_negative_zero():
    values = np.array([[12.34, np.nan], [-0.04, -5.0]])
    svg = sweep_figures.heat_figure("t", "points", values, ["a", "b"], ["c", "d"], diverging=True)
    words = re.findall(r">([^<>\s][^<>]*)</text>", svg)
    assert {"+12.3", "+0.0", "−5.0"} <= set(words)
    assert not {"−0.0", "nan", "+nan"} & set(words)
