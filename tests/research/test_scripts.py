"""How the scripts of docs/research end."""

import pytest

from docs.research.scripts import run_script
from docs.research.table_command import write_measured


def test_what_cannot_be_used_is_one_line_and_status_2(tmp_path, capsys):
    def main():
        write_measured("Asks.", lambda source, _: list(source.iterdir()), [], [*map(str, given)])

    given = tmp_path / "nowhere", tmp_path / "table.csv"
    with pytest.raises(SystemExit) as ended:
        run_script(main)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ")
    assert "nowhere" in said
    assert said.count("\n") == 1
    assert not given[1].exists()


def test_a_fault_of_a_script_shows_where_it_is():
    def main():
        raise KeyError("detector")

    with pytest.raises(KeyError):
        run_script(main)
