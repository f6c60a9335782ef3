"""Tables 1 to 5 from evaluations on disk: numbers, what is missing, the criterion, the files."""

import csv
import dataclasses
import re

import numpy as np
import pytest
from sklearn import metrics

from input_pipeline.prepare.catalog import CATALOG
from npr_jax.analysis.paper_tables import published
from npr_jax.analysis.paper_tables.criterion import criterion
from npr_jax.analysis.paper_tables.export import report_tables, write_paper_tables
from npr_jax.analysis.paper_tables.tables import (
    image_intervals,
    over_generators,
    read_paper_tables,
)
from npr_jax.evaluation.text_tables import Sheet, escape_latex, latex, markdown
from tests import runs
from tests.analysis.table_runs import DATASETS, write_table


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    """Two seeds with Tables 1, 2 (SNGAN missing in the second) and 3; their scores."""
    workdirs = [tmp_path_factory.mktemp("seeds") / name for name in ("a", "b")]
    scores = {}
    for noise, workdir in enumerate(workdirs):
        for number, dataset in enumerate(list(DATASETS)[:3]):
            lacking = ("SNGAN",) if noise == 1 else ()
            scores[noise, dataset] = write_table(
                workdir, dataset, seed=number, noise=noise, lacking=lacking
            )
    return workdirs, scores


@pytest.fixture(scope="module")
def all_five(tmp_path_factory):
    """Workdirs by name that hold all five tables: a good system, a poor one."""
    folder = tmp_path_factory.mktemp("five")
    for name, shift in (("good", 3.0), ("poor", 0.5)):
        for number, dataset in enumerate(DATASETS):
            write_table(folder / name, dataset, seed=number, shift=shift)
    return folder


def lines_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_the_papers_means_are_means_of_its_generators():
    """To the rounding of print: half a tenth of each, and of their mean."""
    for number, rows in published.NPR.items():
        means = np.mean(list(rows.values()), axis=0)
        np.testing.assert_allclose(means, published.NPR_MEANS[number - 1], atol=0.1)


def test_the_paper_and_the_catalogue_name_the_same_generators():
    tables = {entry.table: entry for entry in CATALOG if entry.table}
    assert set(tables) == set(published.NPR) == {1, 2, 3, 4, 5}
    for number, entry in tables.items():
        assert {g.folder for g in entry.generators} == set(published.NPR[number])


def test_numbers_are_scikit_learns(seeds):
    workdirs, scores = seeds
    table = read_paper_tables(workdirs)[0]
    assert [row.folder for row in table.rows] == list(published.NPR[1])
    for row in table.rows:
        for seed in (0, 1):
            mine = scores[seed, "forensynths"]
            chosen = mine.generators == row.folder
            labels, logits = mine.labels[chosen], mine.logits[chosen]
            expected = {
                "accuracy": metrics.accuracy_score(labels, logits > 0),
                "real_accuracy": np.mean(logits[labels == 0] <= 0),
                "fake_accuracy": np.mean(logits[labels == 1] > 0),
                "ap": metrics.average_precision_score(labels, logits),
                "auc": metrics.roc_auc_score(labels, logits),
            }
            for metric, value in expected.items():
                assert row.values[metric][seed] == pytest.approx(value)
    by_hand = np.mean([row.values["ap"] for row in table.rows], axis=0)
    np.testing.assert_allclose(table.mean("ap"), by_hand)
    assert table.published("accuracy") == pytest.approx(0.9245)


def test_missing_generators_are_named_and_left_out_of_both_means(seeds, tmp_path):
    workdirs, _ = seeds
    table = read_paper_tables(workdirs)[1]
    assert not table.complete
    assert table.missing == {"SNGAN": f"no generated images in {workdirs[1]}"}
    rest = [pair[0] for name, pair in published.NPR[2].items() if name != "SNGAN"]
    assert table.published("accuracy") == pytest.approx(np.mean(rest) / 100)
    said = report_tables(workdirs, tmp_path)
    assert f"Table 2 (gangen_detection) lacks SNGAN: no generated images in {workdirs[1]}" in said
    assert "Table 4 (universal_fake_detect): not evaluated" in said
    page = (tmp_path / "paper_tables.md").read_text()
    assert "NPR (paper), same 8 generators" in page
    assert "Table 5 (diffusion_1k_step): not evaluated" in page


def test_the_files_hold_the_same_numbers(seeds, tmp_path):
    workdirs, _ = seeds
    files = write_paper_tables(workdirs, tmp_path)
    assert [path.name for path in files] == [f"paper_tables.{end}" for end in ("csv", "md", "tex")]
    rows = lines_of(files[0])
    table = read_paper_tables(workdirs)[0]
    [mean] = [row for row in rows if (row["table"], row["kind"]) == ("1", "mean")]
    values = 100 * table.mean("accuracy")
    assert float(mean["accuracy"]) == pytest.approx(values.mean() / 100)
    assert float(mean["accuracy_std"]) == pytest.approx(values.std(ddof=1) / 100)
    assert float(mean["accuracy_difference"]) == pytest.approx(values.mean() / 100 - 0.9245)
    assert float(mean["accuracy_low"]) < values.mean() / 100 < float(mean["accuracy_high"])
    cell = f"{values.mean():.1f} ± {values.std(ddof=1):.1f} / "
    assert cell in files[1].read_text()
    assert cell.removesuffix(" / ").replace("±", r"$\pm$") in files[2].read_text()
    for title in ("ProGAN", "StyleGAN2", "InfoMaxGAN", "VQDM"):
        assert title in files[1].read_text()
        assert title in files[2].read_text()
    missing = [row["generator"] for row in rows if row["kind"].startswith("missing")]
    assert {"SNGAN", "glide_50_27", "midjourney"} <= set(missing)


def test_images_weigh_in_the_weighted_mean(tmp_path):
    """One generator with three times the images of the others."""
    workdir = tmp_path / "run"
    write_table(workdir, "diffusion_1k_step", count=20)
    table = read_paper_tables([workdir])[4]
    np.testing.assert_allclose(over_generators(table.rows, "ap", weighted=True), table.mean("ap"))
    first, *others = table.rows
    heavy = [dataclasses.replace(first, weight=120.0), *others]
    expected = np.average([row.values["ap"][0] for row in heavy], weights=[120, 40, 40, 40, 40])
    assert over_generators(heavy, "ap", weighted=True) == pytest.approx([expected])


def test_the_evaluation_as_published_is_the_one_in_the_table(tmp_path):
    write_table(tmp_path, "forensynths", delivery="hard", as_published=False, shift=0.1)
    [table, *_] = read_paper_tables([tmp_path])
    assert "images were not prepared as published" in table.notes[0]
    write_table(tmp_path, "forensynths", delivery="clean", shift=3.0)
    [table, *_] = read_paper_tables([tmp_path])
    assert table.evaluations == ("forensynths-test-squash256-clean",)
    assert table.notes == (
        f"{tmp_path}: also evaluated, not in the table: forensynths-test-squash256-hard",
    )
    assert table.mean("auc")[0] > 0.95


def test_the_criterion(all_five):
    good, poor = (read_paper_tables([all_five / name]) for name in ("good", "poor"))
    verdict = criterion(good, poor, "accuracy")
    assert verdict.verdict == "met"
    assert "met; reached on table 1, 2, 3, 4, 5" in verdict.sentence
    assert criterion(poor, good, "accuracy").verdict == "not met"
    assert criterion(good, good, "accuracy").verdict == "not met"
    for table, mine, other in zip(verdict.tables, good, poor, strict=True):
        expected = mine.mean("accuracy")[0] - other.mean("accuracy")[0]
        assert table.difference == pytest.approx(expected)
        assert table.comparison.beyond_noise
    assert not criterion(good, good, "ap").tables[0].comparison.beyond_noise


def test_the_criterion_beside_the_papers_own_numbers(all_five):
    poor = read_paper_tables([all_five / "poor"])
    verdict = criterion(poor, None, "ap")
    assert verdict.verdict == "not met"
    assert "over NPR (paper)" in verdict.sentence
    assert verdict.tables[4].baseline == pytest.approx(0.8482)


def test_the_criterion_is_open_while_tables_are_missing(all_five, seeds):
    good, poor = (read_paper_tables([all_five / name]) for name in ("good", "poor"))
    empty = read_paper_tables([])
    one = [good[0], *empty[1:]]
    verdict = criterion(one, poor, "accuracy")
    assert verdict.verdict == "open"
    assert "not complete, so not counted: table 2, 3, 4, 5" in verdict.sentence
    four_behind = [*poor[:4], empty[4]]
    assert criterion(four_behind, good, "accuracy").verdict == "not met"
    incomplete = read_paper_tables([seeds[0][1]])
    assert not criterion(incomplete, poor, "accuracy").tables[1].counts


def test_exactly_two_points_are_enough(all_five):
    """0.94 - 0.92 is a little less than 0.02 in binary."""
    good = read_paper_tables([all_five / "good"])

    def constant(value):
        return [
            dataclasses.replace(
                table,
                rows=tuple(
                    dataclasses.replace(row, values={**row.values, "ap": np.array([value])})
                    for row in table.rows
                ),
            )
            for table in good
        ]

    assert 0.94 - 0.92 < 0.02
    assert criterion(constant(0.94), constant(0.92), "ap").verdict == "met"
    assert criterion(constant(0.939), constant(0.92), "ap").verdict == "not met"


def test_intervals_hold_the_values_and_widen_with_fewer_images(tmp_path):
    widths = []
    for count in (10, 160):
        workdir = tmp_path / str(count)
        write_table(workdir, "diffusion_1k_step", count=count, shift=0.5)
        tables = read_paper_tables([workdir])
        found = image_intervals(tables, n_resamples=300)
        for row in tables[4].rows:
            for metric in ("accuracy", "ap", "auc"):
                low, high = found[5, row.folder, metric]
                assert low < row.values[metric][0] < high
        low, high = found[5, "mean", "auc"]
        widths.append(high - low)
        single = [np.diff(found[5, row.folder, "auc"])[0] for row in tables[4].rows]
        # Five independent generators: the mean's interval is narrower by about their root.
        assert widths[-1] == pytest.approx(np.mean(single) / np.sqrt(5), rel=0.25)
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.4)


def test_a_generator_that_one_seed_lacks_leaves_the_others_intervals(seeds):
    tables = read_paper_tables(seeds[0])
    found = image_intervals(tables, n_resamples=50)
    assert (2, "STGAN", "auc") in found
    assert (2, "SNGAN", "auc") not in found


def test_seeds_of_different_images_have_no_common_interval(tmp_path):
    write_table(tmp_path / "a", "diffusion_1k_step")
    write_table(tmp_path / "b", "diffusion_1k_step", count=21)
    tables = read_paper_tables([tmp_path / "a", tmp_path / "b"])
    with pytest.raises(ValueError, match="scores of different images"):
        image_intervals(tables, n_resamples=10)


def test_a_workdir_twice_is_no_second_seed(tmp_path):
    with pytest.raises(ValueError, match="names a directory twice"):
        read_paper_tables([tmp_path, f"{tmp_path}/."])


def test_latex_has_as_many_cells_as_columns_and_no_bare_character():
    rows = [["a_b & 100 %", ("1.0 ± 0.1", "−2"), "x"], ["~^\\{}#$", "", ("3", "–")]]
    text = latex(Sheet("50 % of_all", ["", "one", "two"], rows, ("acc", "AP")), "tab:x")
    [columns] = re.findall(r"\\begin\{tabular\}\{(\w+)\}", text)
    assert columns == "lrrrr"
    for line in text.splitlines():
        if line.endswith(r"\\") and "multicolumn" not in line:
            assert len(re.findall(r"(?<!\\)&", line)) == 4
    assert r"a\_b \& 100 \% & 1.0 $\pm$ 0.1 & $-$2 & x & " in text
    for begun in re.findall(r"\\begin\{(\w+)\}", text):
        assert rf"\end{{{begun}}}" in text
    assert escape_latex("~") == r"\textasciitilde{}"


def test_markdown_keeps_its_columns_whatever_the_names():
    text = markdown(Sheet("", ["a", "b"], [["x|y", ("1", "2")]]))
    assert text.splitlines() == ["| a    | b     |", "| ---- | ----- |", "| x\\|y | 1 / 2 |"]


def test_report_on_the_command_line(all_five, tmp_path):
    finished = runs.main(
        *("report", f"--workdir={all_five / 'good'}", f"--baseline={all_five / 'poor'}"),
        f"--output={tmp_path}",
    )
    names = ("paper_tables.csv", "paper_tables.md", "paper_tables.tex")
    for name in (*names, "comparison.csv", "comparison.md"):
        assert (tmp_path / name).is_file()
        assert str(tmp_path / name) in finished.stdout
    assert "missing" not in finished.stdout
    assert "Criterion on accuracy" in (tmp_path / "paper_tables.md").read_text()
    assert "npr (baseline)" in (tmp_path / "paper_tables.md").read_text()
    tests = {row["test"] for row in lines_of(tmp_path / "comparison.csv")}
    assert tests == {"DeLong", "McNemar", "paired t", "Wilcoxon"}
