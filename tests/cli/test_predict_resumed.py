"""``predict`` that is stopped and gone on with: the file of an undisturbed run, byte for byte."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image

from input_pipeline.errors import UserError
from input_pipeline.provenance.trust_lists import official_trust_list
from npr_jax.cli.predict import predict_files
from npr_jax.inference.verdict import ImageScore
from tests import runs

CONFIDENT = {"confidence": 0.75}
FILES, HELD_AT = 300, 100
# What the interpreter runs first: no more rows are written than so many, however late a signal is.
HOLD = f"""
import time
from input_pipeline.storage.growing_file import GrowingFile
keep, rows = GrowingFile.keep, 0
def held(self):
    global rows
    keep(self)
    rows += 1
    while rows == {HELD_AT}:
        time.sleep(0.01)
GrowingFile.keep = held
"""
LISTEN_TO_SIGINT = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); "
    "os.execv(sys.argv[1], sys.argv[1:])"
)
NAMES = ("a.png", "b\n2.png", "c.png", "d/e.png", "ü.png")


class Sure:
    """A detector that takes no time, and stops when it has scored so many files."""

    source, preprocessing_in_words, calibration_in_words, engine = ("test",) * 4
    members = ()

    def __init__(self, stops_after=None, error=KeyboardInterrupt):
        self.scored, self.stops_after, self.error = [], stops_after, error

    def iter_scores(self, paths, **_):
        for path in paths:
            if len(self.scored) == self.stops_after:
                raise self.error
            self.scored.append(path)
            if "c.png" in path:
                yield ImageScore(path, None, "", "broken")
            else:
                yield ImageScore(path, len(path) % 7 / 7, "unsure", "")


@pytest.fixture
def folder(tmp_path):
    for name in NAMES:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(b"x")
    (tmp_path / "in" / "gone.png").symlink_to(tmp_path / "nowhere")
    return tmp_path / "in"


def interrupted(folder, output, after=2, **options):
    detector = Sure(after)
    with pytest.raises(KeyboardInterrupt):
        predict_files(detector, [str(folder)], str(output), **CONFIDENT, **options)


def resumed(folder, output, **options):
    detector = Sure()
    options = CONFIDENT | options
    status = predict_files(detector, [str(folder)], str(output), resume=True, **options)
    return status, detector.scored


@pytest.fixture(params=["s.csv", "s.jsonl"])
def output(request, tmp_path):
    return tmp_path / request.param


def test_any_rest_is_gone_on_with_to_the_same_bytes(folder, output, capsys):
    """Cut at many of its bytes, as if the machine had stopped there."""
    assert predict_files(Sure(), [str(folder)], str(output), **CONFIDENT) == 1
    whole, summary = output.read_bytes(), capsys.readouterr().err.splitlines()[-1]
    output.unlink()
    interrupted(folder, output)
    partial, note = (output.with_name(f"{output.name}.partial{end}") for end in ("", ".json"))
    said = note.read_bytes()
    for size in range(0, len(whole) + 1, 29):
        partial.write_bytes(whole[:size])
        note.write_bytes(said)
        status, scored = resumed(folder, output)
        assert output.read_bytes() == whole, size
        assert status == 1
        assert len(scored) + max(0, whole[:size].count(b".png") - 1) >= len(NAMES) - 1
        assert capsys.readouterr().err.splitlines()[-1] == summary
        assert not partial.exists()
        assert not note.exists()
        output.unlink()


def test_rows_that_are_there_are_not_scored_again(folder, output, capsys):
    interrupted(folder, output, after=3)
    said = capsys.readouterr().err
    assert f"the first 3 of 6 rows are in {output}.partial; to go on from there: the same" in said
    assert resumed(folder, output)[1] == [str(folder / name) for name in ("d/e.png", "ü.png")]
    assert "3 rows are there already" in capsys.readouterr().err


def test_the_command_to_go_on_is_said(folder, output, capsys):
    typed = ["python", "main.py", "predict", "my pictures", "--output=s.csv"]
    interrupted(folder, output, command=typed)
    again = "to go on from there: python main.py predict --resume 'my pictures' --output=s.csv\n"
    assert again in capsys.readouterr().err


def test_a_full_disk_leaves_what_fits(folder, output, capsys):
    detector = Sure(2, OSError(28, "No space left on device"))
    with pytest.raises(OSError, match="No space left"):
        predict_files(detector, [str(folder)], str(output), **CONFIDENT)
    assert "the first 2 of 6 rows" in capsys.readouterr().err
    assert resumed(folder, output)[0] == 1


def test_what_would_mix_two_runs_is_refused(folder, output):
    interrupted(folder, output)
    with pytest.raises(UserError, match="holds what an earlier run has done; add --resume"):
        predict_files(Sure(), [str(folder)], str(output), **CONFIDENT)
    with pytest.raises(UserError, match=r"made otherwise: confidence was 0\.75, is 0\.9"):
        resumed(folder, output, confidence=0.9)
    with pytest.raises(UserError, match="columns was"):
        resumed(folder, output, provenance=official_trust_list())
    (folder / "new.png").write_bytes(b"x")
    with pytest.raises(UserError, match="files was 6, is 7; files_sha256 was"):
        resumed(folder, output)
    (folder / "new.png").unlink()
    partial = output.with_name(f"{output.name}.partial")
    partial.write_bytes(partial.read_bytes().replace(b"/a.png", b"/z.png"))
    with pytest.raises(UserError, match=r"row 1 of .* is of .*z\.png, but it is the turn of"):
        resumed(folder, output)


def test_another_list_of_signers_is_another_run(folder, output):
    listed = official_trust_list()
    with pytest.raises(KeyboardInterrupt):
        predict_files(Sure(2), [str(folder)], str(output), **CONFIDENT, provenance=listed)
    with pytest.raises(UserError, match="trust_list was"):
        resumed(folder, output, provenance=listed._replace(signers=""))


def test_a_table_that_is_whole_has_nothing_left_to_do(folder, output, capsys):
    """As where the machine stopped just after the last step."""
    assert resumed(folder, output)[0] == 1, "where nothing is there, all is done"
    whole = output.read_bytes()
    assert resumed(folder, output) == (1, [])
    assert output.read_bytes() == whole
    assert "is whole already" in capsys.readouterr().err
    (folder / "üü.png").write_bytes(b"x")
    with pytest.raises(UserError, match="it was made of other files"):
        resumed(folder, output)


def test_a_run_that_did_nothing_leaves_nothing(folder, output):
    interrupted(folder, output, after=0)
    assert not list(output.parent.glob("*.partial*"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resume": True, "evidence": "out"}, "not with its --evidence"),
        ({"excel": True, "format": "jsonl"}, "--excel is of --output=FILE.csv"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(folder, output, options, message):
    with pytest.raises(UserError, match=message):
        predict_files(Sure(), [str(folder)], str(output), **CONFIDENT, **options)
    with pytest.raises(UserError, match="--resume goes on with the file of --output"):
        predict_files(Sure(), [str(folder)], "", resume=True, **CONFIDENT)


def test_json_lines_to_standard_output(folder, capsys):
    predict_files(Sure(), [str(folder)], "", format="jsonl", **CONFIDENT)
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [os.path.relpath(row["path"], folder) for row in rows] == sorted([*NAMES, "gone.png"])
    assert rows[2] == {
        "path": str(folder / "c.png"), "score": None, "verdict": "", "error": "broken"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("number", "status", "said"),
    [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "interrupted")],
)
def test_a_signal_ends_the_command_with_what_is_done(number, status, said, tmp_path):
    pictures = tmp_path / "in"
    pictures.mkdir()
    Image.fromarray(runs.picture(0, True)).save(pictures / "0.png")
    for index in range(1, FILES):
        os.link(pictures / "0.png", pictures / f"{index}.png")
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "sitecustomize.py").write_text(HOLD)
    paths = os.pathsep.join([str(tmp_path / "first"), str(runs.ROOT)])
    output = tmp_path / "s.csv"
    command = [sys.executable, "main.py", "predict", str(pictures), f"--output={output}"]
    # A shell's background jobs, as these tests may be one, do not listen to SIGINT.
    listening = [sys.executable, "-c", LISTEN_TO_SIGINT, *command]
    running = subprocess.Popen(
        listening,
        cwd=runs.ROOT,
        env=os.environ | {"PYTHONPATH": paths},
        stderr=subprocess.PIPE,
        text=True,
    )
    partial = tmp_path / "s.csv.partial"
    while not (partial.exists() and partial.stat().st_size):
        assert running.poll() is None
        time.sleep(0.02)
    running.send_signal(number)
    stderr = running.communicate()[1]
    assert running.returncode == status
    assert stderr.endswith(f"{said}\n")
    assert "Traceback" not in stderr
    again = stderr.split("to go on from there: ")[1].splitlines()[0]
    assert again.split() == [*command[:3], "--resume", *command[3:]]
    rows = partial.read_text().splitlines()
    assert f"the first {len(rows) - 1:,} of {FILES:,} rows" in stderr
    assert len({row.split(",")[1] for row in rows[1:]}) == 1, "it is one picture"


class Unplugged(Sure):
    """The folder is moved away while its third file is read."""

    def __init__(self, folder, away):
        super().__init__()
        self.folder, self.away = folder, away

    def iter_scores(self, paths, **_):
        for result in super().iter_scores(paths):
            if len(self.scored) == 3:
                self.folder.rename(self.away)
            if self.folder.exists():
                yield result
            else:
                yield ImageScore(result.path, None, "", "No such file or directory")


def test_a_folder_that_goes_away_stops_the_work_which_then_goes_on(folder, output):
    """As on a disk that is unplugged: what is gone is not given a row of its own."""
    assert predict_files(Sure(), [str(folder)], str(output), **CONFIDENT) == 1
    whole, away = output.read_bytes(), folder.with_name("away")
    output.unlink()
    with pytest.raises(UserError, match="/in is gone, or empty, since its files were listed"):
        predict_files(Unplugged(folder, away), [str(folder)], str(output), **CONFIDENT)
    away.rename(folder)
    assert resumed(folder, output)[0] == 1
    assert output.read_bytes() == whole


def test_a_file_that_goes_away_alone_is_a_row_with_its_error(folder, output):
    class Removing(Sure):
        def iter_scores(self, paths, **_):
            for result in super().iter_scores(paths):
                if result.path.endswith("ü.png"):
                    os.remove(result.path)
                    result = ImageScore(result.path, None, "", "No such file or directory")
                yield result

    assert predict_files(Removing(), [str(folder)], str(output), **CONFIDENT) == 1
    assert b"No such file or directory" in output.read_bytes()
