"""What real files say, against a committed table of counts; running this file makes it anew."""

import collections
import pathlib
import sys

from input_pipeline.images.metadata import read_facts
from input_pipeline.provenance.report import read_provenance
from input_pipeline.storage.csv_files import csv_text, read_csv

TABLE = pathlib.Path(__file__).with_name("realworld.csv")
COLUMNS = (
    *("split", "group", "class", "format", "encoder", "certainty"),
    *("source", "generator", "credentials", "files"),
)


def counted(root: pathlib.Path) -> str:
    rows: collections.Counter[tuple[str, ...]] = collections.Counter()
    for path in sorted(root.glob("*/*/*/*")):
        data = path.read_bytes()
        said = read_provenance(data)
        credentials = "not verified" if said.has_credentials else ""
        facts = read_facts(data)
        file = (facts.format, facts.encoder, facts.certainty)
        rows[
            *path.relative_to(root).parts[:3], *file, said.source, said.generator, credentials
        ] += 1
    return csv_text(COLUMNS, [(*key, count) for key, count in sorted(rows.items())])


def test_the_real_files_say_what_they_said(shared):
    assert counted(shared / "realworld") == TABLE.read_text("utf-8")


def test_generated_files_that_carry_metadata_are_named_and_photographs_are_not():
    _, rows = read_csv(TABLE)
    named = collections.Counter()
    for row in rows:
        named[row["class"], bool(row["generator"])] += int(row["files"])
    assert named["0_real", True] == 0
    assert named["0_real", False] == 835
    # Only Bing's 25 and one of GPT Image's carry any words; the others were stripped.
    assert named["1_fake", True] == 26


if __name__ == "__main__":
    TABLE.write_text(counted(pathlib.Path(sys.argv[1])), encoding="utf-8")
