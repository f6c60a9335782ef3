"""CSV tables."""

import csv
import io
import os

import pytest

from input_pipeline.storage.csv_files import BOM, csv_text, iter_csv, read_csv, write_csv

ROWS = [
    {"name": 'a "b", c', "score": 0.5},
    {"name": "two\nlines", "score": None},
    {"score": 1},
]


def test_rows_are_what_the_standard_library_writes():
    expected = io.StringIO(newline="")
    writer = csv.DictWriter(expected, ["name", "score"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(ROWS)
    assert csv_text(["name", "score"], ROWS) == expected.getvalue()
    as_lists = [[row.get("name"), row.get("score")] for row in ROWS]
    assert csv_text(["name", "score"], as_lists) == expected.getvalue()


def test_cells_of_no_column_are_left_out():
    assert csv_text(["a"], [{"a": 1, "b": 2}]) == "a\n1\n"


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_file_holds_the_text_and_comes_back(tmp_path, line_end):
    path = tmp_path / "t.csv"
    name = os.fsdecode(b"caf\xe9")
    write_csv(path, ("name", "score"), iter([(name, 1), ("b", "")]), line_end=line_end)
    end = line_end.encode()
    assert path.read_bytes() == end.join([b"name,score", b"caf\xe9,1", b"b,", b""])
    assert read_csv(path) == (
        ["name", "score"],
        [{"name": name, "score": "1"}, {"name": "b", "score": ""}],
    )


def test_an_empty_table_has_its_columns(tmp_path):
    write_csv(tmp_path / "t.csv", ("a", "b"), [])
    assert read_csv(tmp_path / "t.csv") == (["a", "b"], [])
    (tmp_path / "t.csv").write_text("")
    assert read_csv(tmp_path / "t.csv") == ([], [])


FORMULAS = ["=1+1.png", "+a", "-a.png", "@SUM(A1)", "\t=1", "\r=1", "＝1+1", "'=1", "''-x"]


def test_no_text_of_ours_is_a_formula_and_all_come_back(tmp_path):
    plain = ["a.png", "a=1.png", "'quoted'", "", "ü.png", "-1.5", "+3", "-1e-5", "-inf"]
    write_csv(tmp_path / "t.csv", ("name", "logit"), [(name, -0.5) for name in FORMULAS + plain])
    with open(tmp_path / "t.csv", newline="", encoding="utf-8") as file:
        cells = [row["name"] for row in csv.DictReader(file)]
    assert cells == [f"'{name}" for name in FORMULAS] + plain
    _, rows = read_csv(tmp_path / "t.csv")
    assert [row["name"] for row in rows] == FORMULAS + plain
    assert {row["logit"] for row in rows} == {"-0.5"}
    assert list(iter_csv(tmp_path / "t.csv")) == rows


def test_a_table_that_excel_has_saved_is_read(tmp_path):
    (tmp_path / "t.csv").write_text(BOM + csv_text(("name",), [("ü.png",)]), encoding="utf-8")
    assert (tmp_path / "t.csv").read_bytes().startswith(b"\xef\xbb\xbfname")
    assert read_csv(tmp_path / "t.csv") == (["name"], [{"name": "ü.png"}])
