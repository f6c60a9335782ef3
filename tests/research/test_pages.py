"""Blocks of pages, and that the committed pages are what the committed tables give."""

import re
import shutil

import numpy as np
import pytest

from docs.research import __main__ as command
from docs.research import pages, rebuild, result_table
from tests import runs
from tests.research import sweeps

NUMBER = re.compile(r"-?\d+\.?\d*(?:e-?\d+)?")
PAGE = "Before.\n\n[//]: # (begin: a.b)\n{}[//]: # (end: a.b)\n\nAfter.\n"


@pytest.fixture(scope="module")
def made():
    return rebuild.make_files(runs.ROOT / "docs")


@pytest.fixture
def docs(tmp_path):
    """Pages of the repository, with one small table."""
    for page in rebuild.PAGES:
        (tmp_path / page).parent.mkdir(exist_ok=True)
        shutil.copy(runs.ROOT / "docs" / page, tmp_path / page)
    (tmp_path / "results").mkdir()
    aucs = dict.fromkeys(("0.25", "0.5", "0.75"), 0.8)
    sweeps.write(sweeps.table(aucs), tmp_path / "results" / "scales.csv")
    return tmp_path


def test_a_block_is_replaced_and_the_rest_is_left():
    once = pages.fill(PAGE.format("old\n"), {"a.b": "new", "unused": "x"})
    assert once == PAGE.format("\nnew\n\n")
    assert pages.fill(once, {"a.b": "new"}) == once


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (PAGE.format(""), "blocks a.b that nothing makes; known are other"),
        ("[//]: # (begin: other)\n", "block other has not one begin and one end mark"),
        ("[//]: # (end: other)\n[//]: # (begin: other)\n", "block other has not one begin"),
    ],
)
def test_marks_that_do_not_fit_are_refused(page, said):
    with pytest.raises(ValueError, match=said):
        pages.fill(page, {"other": ""})


def test_committed_pages_are_what_the_tables_give(made):
    """`make results` mends it. Figures may differ by rounding from machine to machine."""
    for path, text in made.items():
        name = path.relative_to(runs.ROOT)
        if text is None:
            assert not path.exists(), f"{name} shows a table that is gone; run make results"
            continue
        committed = path.read_text(encoding="utf-8")
        if path.suffix == ".svg":
            assert NUMBER.sub("0", committed) == NUMBER.sub("0", text), f"run make results: {name}"
            numbers = [np.array(NUMBER.findall(s), float) for s in (committed, text)]
            np.testing.assert_allclose(*numbers, atol=0.01, err_msg=str(name))
        else:
            assert committed == text, f"{name} is not what the tables give; run make results"


def test_every_figure_of_the_pages_is_there(made):
    for page in rebuild.PAGES:
        text = (runs.ROOT / "docs" / page).read_text(encoding="utf-8")
        for target in re.findall(r"\]\((images/[^)]+)\)", text):
            assert (runs.ROOT / "docs" / target).is_file(), f"{page}: {target}"


def test_a_figure_of_the_report_by_hand(made):
    """The mean AUC of NPR at 0.5 over unseen generators and seeds, from the file itself."""
    table = result_table.read_table(runs.ROOT / "docs" / "results" / "scales.csv")
    mine = [
        row
        for row in table.rows
        if (row["variant"], row["kind"], row["generator"]) == ("0.25", "unseen", "unet")
    ]
    mean = 100 * np.mean([row["auc"] for row in mine])
    line = next(
        line
        for line in made[runs.ROOT / "docs" / "report.md"].splitlines()
        if line.startswith("| unet |")
    )
    assert line.split("|")[3].strip() == f"{mean:.1f}"


def test_the_command_writes_everything_and_says_what_is_missing(docs):
    stale = docs / "images" / "research" / "colors.svg"
    stale.parent.mkdir(parents=True)
    stale.write_text("of an earlier table")
    assert command.main([str(docs)]) == 0
    report = (docs / "report.md").read_text(encoding="utf-8")
    assert "Not there yet: `docs/results/fusion.csv`" in report
    assert "Not measured yet: `docs/results/colors.csv` is not there." in report
    assert not stale.exists()
    assert (stale.parent / "traces.svg").read_text(encoding="utf-8").startswith("<svg")
    assert "## scales" in (docs / "results" / "tables.md").read_text(encoding="utf-8")
    assert not list(docs.rglob("*.partial"))


@pytest.mark.parametrize(
    ("content", "said"),
    [("a,b\n1,2\n", "colors.csv is no runs.csv of a sweep"), ("", "colors.csv has no rows")],
)
def test_another_file_among_the_tables_is_refused_in_one_line(docs, capsys, content, said):
    (docs / "results" / "colors.csv").write_text(content)
    before = (docs / "report.md").read_bytes()
    assert command.main([str(docs)]) == 2
    message = capsys.readouterr().err
    assert said in message
    assert message.count("\n") == 1
    assert (docs / "report.md").read_bytes() == before


def test_a_directory_without_tables_is_refused(tmp_path, capsys):
    assert command.main([str(tmp_path)]) == 2
    (tmp_path / "results").mkdir()
    assert command.main([str(tmp_path)]) == 2
    assert "has no tables" in capsys.readouterr().err


def test_no_note_of_the_slides_is_a_mark():
    """A comment is the speaker's; marks of blocks are none."""
    slides = (runs.ROOT / "docs" / "slides" / "slides.md").read_text(encoding="utf-8")
    notes = re.findall(r"<!--(.*?)-->", slides, re.DOTALL)
    spoken = [note for note in notes if not note.strip().startswith("_class:")]
    assert len(spoken) >= slides.count("\n---\n") - 1
    assert not any("begin:" in note for note in spoken)
