"""The committed result tables: the page is made from them, and its figures are theirs."""

import csv
import re
import statistics

import pytest

from docs.research.tables_page import format_page
from npr_jax.sweep.table import read_table
from tests import runs


@pytest.fixture(scope="module")
def results():
    return runs.ROOT / "docs" / "results"


def test_the_page_is_the_tables(results):
    tables = {path.stem: read_table(path) for path in results.glob("*.csv")}
    assert tables
    assert (results / "tables.md").read_text(encoding="utf-8") == format_page(tables)


def test_a_figure_of_the_page_computed_by_hand(results):
    """Mean and deviation over seeds of the unseen generators' AP, for one variant."""
    with open(results / "scales.csv", newline="") as file:
        rows = [r for r in csv.DictReader(file) if (r["variant"], r["kind"]) == ("0.25", "unseen")]
    seeds = {row["seed"] for row in rows}
    means = [statistics.fmean(float(r["ap"]) for r in rows if r["seed"] == s) for s in seeds]
    assert len(means) == 5
    expected = f"{100 * statistics.fmean(means):.1f} ± {100 * statistics.stdev(means):.1f}"
    section = (results / "tables.md").read_text().split("## scales")[1]
    line = re.search(r"^\| 0\.25 +\|.*$", section, re.MULTILINE)
    assert line.group().split("|")[4].strip() == expected


def test_another_table_is_named(tmp_path):
    (tmp_path / "scores.csv").write_text("filename,logit\na.png,1\n")
    with pytest.raises(ValueError, match=r"scores.csv lacks the columns .*seed.*; give a sweep's"):
        read_table(tmp_path / "scores.csv")
