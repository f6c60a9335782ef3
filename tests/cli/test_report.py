"""What ``report`` makes of flags that do not go together, before anything is written."""

import pytest

from npr_jax.cli import report
from tests import runs


class Flags(dict):
    """absl's holder, as far as the command reads it: attributes, and items with a value."""

    class Item:
        def __init__(self, value):
            self.value = value

    def __getattr__(self, name):
        return self[name].value


def flags(**given):
    values = {"workdir": "", "baseline": "", "attention": False, "sweep": "", "families": ""}
    values |= {"output": "", "intervals": False} | given
    return Flags({name: Flags.Item(value) for name, value in values.items()})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"baseline": "absent"}, "--baseline: .*absent does not exist"),
        ({"baseline": "."}, "is in --workdir too"),
        ({"baseline": "a,"}, "--baseline='a,' has a comma"),
        ({"baseline": "a,a"}, "--baseline=a,a names a run twice"),
        ({"families": "A:b"}, "are of report --attention"),
        ({"output": "file"}, "is a file"),
    ],
)
def test_a_run(tmp_path, monkeypatch, given, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=said):
        list(report.report_runs(["."], flags(workdir=".", **given)))
    assert not (tmp_path / "report.html").exists()


def test_a_sweep(tmp_path):
    table = runs.ROOT / "docs" / "results" / "colors.csv"
    (tmp_path / "runs.csv").write_bytes(table.read_bytes())
    with pytest.raises(ValueError, match="--attention, --output are of runs"):
        list(report.report_sweep(flags(workdir=str(tmp_path), attention=True, output="x")))
    with pytest.raises(ValueError, match="a sweep is reported alone"):
        list(report.report_sweep(flags(workdir=f"{tmp_path},other")))
    [line] = report.report_sweep(flags(workdir=str(tmp_path)))
    assert line == f"report: {tmp_path / 'report.html'}"
    assert (tmp_path / "report.html").is_file()
