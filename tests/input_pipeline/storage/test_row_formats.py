"""Tables written row by row, and what of them a kill has left whole."""

import csv
import io
import json
import os

import pytest

from input_pipeline.storage.row_formats import CsvRows, JsonRows

COLUMNS = ("path", "score", "error")
ROWS = [
    {"path": os.fsdecode(b"a\xff.png"), "score": 0.1234567, "error": ""},
    {"path": 'two\nlines, "quoted"', "score": None, "error": "broken"},
    {"path": "=1+1.png", "score": 1.0, "error": "'"},
    {"path": "ü\r.png", "score": 0.0, "error": ""},
    {"path": "\ufeff.png", "score": 0.5, "error": ""},
]
FORMATS = {
    "csv": CsvRows(COLUMNS),
    "excel": CsvRows(COLUMNS, excel=True),
    "jsonl": JsonRows(COLUMNS),
}


def written(form, rows=ROWS):
    """The bytes of a table, and where each of its rows ends."""
    data = io.BytesIO()
    text = io.TextIOWrapper(data, "utf-8", "surrogateescape", newline="", write_through=True)
    form.write_head(text)
    ends = []
    for row in rows:
        form.write(text, row)
        ends.append(data.tell())
    return data.getvalue(), ends


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_of_a_table_cut_anywhere_the_whole_rows_are_found(form):
    data, ends = written(form)
    for cut in range(len(data) + 1):
        found = list(form.read(io.BytesIO(data[:cut])))
        assert [end for end, _ in found] == [end for end in ends if end <= cut], cut
        assert [row["path"] for _, row in found] == [row["path"] for row in ROWS[: len(found)]]
        errors = [bool(row["error"]) for row in ROWS]
        assert [bool(row["error"]) for _, row in found] == errors[: len(found)]


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_zeros_that_a_power_cut_leaves_are_no_row(form):
    data, ends = written(form)
    assert [end for end, _ in form.read(io.BytesIO(data + bytes(100) + b"\n"))] == ends
    assert list(form.read(io.BytesIO(bytes(100) + b"\n"))) == []


def test_csv_is_what_the_standard_library_reads():
    data, _ = written(CsvRows(COLUMNS), ROWS[1:3])
    table = list(csv.reader(io.StringIO(data.decode(), newline="")))
    assert table == [
        ["path", "score", "error"],
        ['two\nlines, "quoted"', "", "broken"],
        ["'=1+1.png", "1.000000", "'"],
    ]


def test_json_lines_are_ascii_with_numbers_and_null():
    data, _ = written(JsonRows(COLUMNS))
    rows = [json.loads(line) for line in data.decode("ascii").splitlines()]
    assert [row["score"] for row in rows] == [0.123457, None, 1.0, 0.0, 0.5]
    assert rows[1] == ROWS[1]
    assert os.fsencode(rows[0]["path"]) == b"a\xff.png"


@pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)
def test_a_table_of_other_columns_has_no_rows(form):
    other = type(form)(("path", "score"))
    assert list(form.read(io.BytesIO(written(other)[0]))) == []
