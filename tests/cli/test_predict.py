"""``main.py predict``: files and folders in, a CSV table and an exit status out."""

import csv
import os
import shutil
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import safetensors.numpy
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import npr_jax
from input_pipeline.errors import UserError
from input_pipeline.images.invisible_mark import write_mark
from input_pipeline.provenance.trust_lists import official_trust_list, read_trust_list
from npr_jax.cli.main import run
from npr_jax.cli.predict import predict_files
from npr_jax.inference.verdict import ImageScore
from tests import runs
from tests.input_pipeline.provenance.files import saved

GIGABYTE = 2**30
# Runs the command it is given; prints its exit status and the peak of its memory in KiB.
PEAK_OF_COMMAND = (
    "import resource, subprocess, sys; status = subprocess.run(sys.argv[1:]).returncode; "
    "print(status, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Five images at two depths, one file that is none, one hidden file."""
    root = tmp_path_factory.mktemp("images")
    (root / "deep" / "er").mkdir(parents=True)
    for index, name in enumerate(("b.png", "a.jpg", "deep/c.webp", "deep/er/d.bmp", "z.png")):
        Image.fromarray(runs.picture(index, bool(index % 2))).save(root / name, quality=95)
    (root / "deep" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    (root / ".hidden.png").write_bytes(b"")
    return root


@pytest.fixture(scope="module")
def detector(trained):
    return npr_jax.Detector.load(trained.workdir)


def rows(path):
    with open(path, newline="") as file:
        return list(csv.reader(file))


CONFIDENT = {"confidence": 0.75}


class Sure:
    """A detector that takes no time; ``iter_scores`` may be another."""

    source, preprocessing_in_words, calibration_in_words, engine = ("test",) * 4
    members = ()

    def __init__(self, iter_scores=None):
        self.iter_scores = iter_scores or self._all_generated

    def _all_generated(self, paths, **_):
        return (ImageScore(path, 0.9, "generated", "") for path in paths)


def scored(tmp_path, root, status=0) -> dict[str, str]:
    """The error of each file below a folder."""
    output = tmp_path / "scores.csv"
    assert predict_files(Sure(), [str(root)], str(output), **CONFIDENT) == status
    return {os.path.relpath(row[0], root): row[3] for row in rows(output)[1:]}


def test_command_scores_a_folder_and_reports_what_failed(trained, folder, tmp_path):
    output = tmp_path / "scores.csv"
    finished = runs.main(
        "predict", f"--workdir={trained.workdir}", folder, f"--output={output}", status=1
    )
    header, *table = rows(output)
    assert header == ["path", "score", "verdict", "error"]
    names = [os.path.relpath(row[0], folder) for row in table]
    assert names == ["a.jpg", "b.png", "deep/broken.jpg", "deep/c.webp", "deep/er/d.bmp", "z.png"]
    for path, score, verdict, error in table:
        if path.endswith("broken.jpg"):
            assert (score, verdict) == ("", "")
            assert error
        else:
            assert 0 <= float(score) <= 1
            assert verdict in ("generated", "photograph", "unsure")
            assert error == ""
    assert "6 files" in finished.stderr
    assert "1 not scored" in finished.stderr
    assert "images: native size" in finished.stderr, "the preprocessing is said"
    assert finished.stdout == ""


def test_a_table_for_excel_says_that_it_is_utf_8_and_computes_nothing(tmp_path, monkeypatch):
    for name in ("ü.png", "=1+1.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    assert predict_files(Sure(), ["=1+1.png", "ü.png"], "t.csv", excel=True, **CONFIDENT) == 0
    data = (tmp_path / "t.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbfpath,score,")
    assert [line.split(",")[0] for line in data.decode().splitlines()[1:]] == ["'=1+1.png", "ü.png"]
    with pytest.raises(UserError, match="--excel is of --output"):
        predict_files(Sure(), ["ü.png"], "", excel=True, **CONFIDENT)


def test_companions_are_listed_and_no_error(tmp_path, capsys):
    for name in ("a.png", "a.txt", "@eaDir/a.png/thumb.jpg"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(b"x")
    assert scored(tmp_path, tmp_path / "in") == {"a.png": ""}
    said = capsys.readouterr().err
    assert f"1 companion file left out: {tmp_path / 'in/a.txt'}\n" in said
    assert f"1 system folder left out: {tmp_path / 'in/@eaDir'}\n" in said


def test_command_with_published_weights_to_standard_output(reference_inputs, folder, tmp_path):
    """One of the names is none that standard output could encode."""
    weights = tmp_path / "NPR.safetensors"
    safetensors.numpy.save_file(reference_inputs.make_weights(0), weights)
    shutil.copy(folder / "b.png", tmp_path / "bär.png")
    finished = runs.main(
        *("predict", f"--weights={weights}", "--resize=64", folder / "b.png", tmp_path / "bär.png"),
        environment={"PYTHONIOENCODING": "ascii:strict"},
    )
    header, row, other = csv.reader(finished.stdout.splitlines())
    assert other == [str(tmp_path / r"b\xe4r.png"), *row[1:]]
    detector = npr_jax.Detector.from_weights(weights, resize=64)
    [expected] = detector.score([folder / "b.png"])
    assert header == ["path", "score", "verdict", "error"]
    assert row == [str(folder / "b.png"), f"{expected.score:.6f}", expected.verdict, ""]
    assert "squashed to 64x64 pixels" in finished.stderr


def test_command_with_a_path_that_does_not_exist_is_wrong_usage(trained, tmp_path):
    finished = runs.main(
        "predict", f"--workdir={trained.workdir}", tmp_path / "absent.png", status=2
    )
    assert "absent.png does not exist" in finished.stderr
    assert "Traceback" not in finished.stderr


def test_status_is_0_when_all_were_scored(detector, folder, tmp_path, capsys):
    output = tmp_path / "scores.csv"
    paths = [str(folder / name) for name in ("z.png", "a.jpg", "z.png")]
    assert predict_files(detector, paths, str(output), confidence=0.75) == 0
    assert [row[0] for row in rows(output)[1:]] == paths, "as given, in order, twice if given twice"
    assert "0 not scored" in capsys.readouterr().err


def test_provenance_adds_what_files_say_of_themselves(tmp_path):
    said = PngInfo()
    said.add_text("Software", "Midjourney v6")
    picture = Image.fromarray(np.zeros((40, 40, 3), np.uint8))
    picture.save(tmp_path / "a.png", pnginfo=said)
    picture.save(tmp_path / "b.png")
    Image.fromarray(write_mark(runs.picture(0, False, 256))).save(tmp_path / "c.png")
    (tmp_path / "d.png").write_bytes(b"no picture")
    output = tmp_path / "scores.csv"
    paths = [str(tmp_path / f"{name}.png") for name in "abcd"]

    def scores(paths, *, confidence):
        for path in paths:
            error = "unreadable" if path.endswith("d.png") else ""
            yield ImageScore(path, None if error else 0.9, "", error)

    predict_files(Sure(scores), paths, str(output), **CONFIDENT, provenance=official_trust_list())
    header, named, silent, marked, broken = rows(output)
    assert header == [
        *("path", "score", "verdict", "error"),
        *("source", "generator", "credentials", "mark", "mark_p_value"),
    ]
    assert named[4:] == ["generated", "Midjourney", "", "", ""]
    assert silent[4:] == ["", "", "", "", ""]
    assert marked[4:8] == ["", "", "", "Stable Diffusion 1"]
    assert 0 < float(marked[8]) < 1e-20
    assert broken[4:] == ["", "", "", "not looked for", ""]
    assert named[1:3] == silent[1:3] == marked[1:3], "it never changes the score"


def test_content_credentials_are_held_against_the_list_of_signers(tmp_path, capsys):
    from tests.input_pipeline.provenance.signing import Signer

    signer, other = Signer(), Signer()
    path, output = tmp_path / "a.png", tmp_path / "scores.csv"
    path.write_bytes(signer.sign(saved("PNG"), "image/png"))
    states = {}
    for who in (signer, other):
        (tmp_path / "list.pem").write_text(who.root, encoding="utf-8")
        trusted = read_trust_list(tmp_path / "list.pem")
        predict_files(Sure(), [str(path)], str(output), **CONFIDENT, provenance=trusted)
        [_, row] = rows(output)
        states[who] = row[6]
    assert states == {signer: "valid and trusted", other: "valid, signer on no list"}
    assert run(["predict", str(path), "--trust_list=list.pem"]) == 2
    assert "--provenance" in capsys.readouterr().err
    missing = tmp_path / "missing.pem"
    assert run(["predict", str(path), "--provenance", f"--trust_list={missing}"]) == 2
    assert "missing.pem" in capsys.readouterr().err


def test_files_as_the_world_sends_them_are_scored_or_refused_with_the_reason(trained, tmp_path):
    pytest.importorskip("pillow_heif").register_heif_opener()
    pytest.importorskip("pillow_jxl")
    image = Image.fromarray(runs.picture(0, True))
    exact = {"quality": -1, "chroma": 444, "matrix_coefficients": 0}
    saved = {
        "plain.png": ("PNG", {}),
        "heic-named.jpg": ("HEIF", exact),
        "exact.jxl": ("JXL", {"lossless": True}),
        "exact.avif": ("AVIF", {"quality": 100, "subsampling": "4:4:4"}),
    }
    for name, (kind, options) in saved.items():
        image.save(tmp_path / name, kind, **options)
    image.save(tmp_path / "whole.jpg")
    whole = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "no-end.jpg").write_bytes(whole[:-2])
    (tmp_path / "half.jpg").write_bytes(whole[: len(whole) // 2] + whole[-2:])
    (tmp_path / "sensor.cr3").write_bytes(b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(99))
    table = tmp_path / "scores.csv"
    words = ["predict", f"--workdir={trained.workdir}", str(tmp_path), f"--output={table}"]
    assert run([*words, "--max_megapixels=1"]) == 1
    found = {os.path.basename(row[0]): row for row in rows(table)[1:]}
    exact_score = float(found["plain.png"][1])
    for name in ("heic-named.jpg", "exact.jxl"):
        assert float(found[name][1]) == pytest.approx(exact_score, abs=1e-5), name
    assert found["exact.avif"][1]
    assert found["no-end.jpg"][1] == found["whole.jpg"][1]
    assert "% of its pixels are missing" in found["half.jpg"][3]
    assert "a RAW file (Canon CR3)" in found["sensor.cr3"][3]
    table.unlink()
    assert run([*words, "--max_megapixels=0.001"]) == 1
    for row in rows(table)[1:]:
        if row[0].endswith((".png", ".jxl", ".avif")):
            assert "is more than 1000 pixels (--max_megapixels)" in row[3]


def test_confidence_moves_verdicts(detector, folder, tmp_path):
    tables = {}
    for confidence in (0.5, 0.999999):
        output = tmp_path / f"{confidence}.csv"
        predict_files(detector, [str(folder / "z.png")], str(output), confidence=confidence)
        [tables[confidence]] = rows(output)[1:]
    assert tables[0.5][1] == tables[0.999999][1]
    assert tables[0.5][2] in ("generated", "photograph")
    assert tables[0.999999][2] == "unsure"


@pytest.mark.parametrize(
    ("output", "confidence", "message"),
    [
        ("scores.csv", 0.4, r"--confidence=0\.4; expected at least 0\.5"),
        ("scores.csv", 1.0, r"--confidence=1\.0"),
        ("absent/scores.csv", 0.75, "its folder does not exist"),
        (".", 0.75, "is a folder; give a CSV file"),
        ("../../../../../../../../dev/null", 0.75, "is not a regular file"),
        (
            "../../../../../../../../proc/x.csv",
            0.75,
            r"--output=.*/proc/x\.csv: no file can be made",
        ),
    ],
)
def test_wrong_options_are_refused_before_any_work(
    detector, folder, tmp_path, output, confidence, message
):
    with pytest.raises(ValueError, match=message):
        predict_files(detector, [str(folder)], str(tmp_path / output), confidence=confidence)
    assert list(tmp_path.iterdir()) == []


def test_an_output_is_whole_or_untouched(detector, folder, tmp_path, monkeypatch):
    output = tmp_path / "scores.csv"
    output.write_text("path,score,verdict,error\nyesterday's,,,\n")

    def interrupted(*_, **__):
        yield from detector.score([str(folder / "a.jpg")])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict_files(Sure(interrupted), [str(folder)], str(output), confidence=0.75)
    assert output.read_text() == "path,score,verdict,error\nyesterday's,,,\n"
    known = rows(tmp_path / "scores.csv.partial")
    assert [row[0] for row in known[1:]] == [str(folder / "a.jpg")], "what was known is not lost"


def test_a_link_to_the_table_stays_a_link(folder, tmp_path):
    """Also one to a table that is not there yet; the name given decides about the format."""
    (tmp_path / "far").mkdir()
    link = tmp_path / "scores.jsonl"
    link.symlink_to("far/table")
    seen = []

    def slow(paths, **_):
        for path in paths:
            seen.extend(os.listdir(tmp_path / "far"))
            yield ImageScore(path, 0.5, "unsure", "")

    for _ in range(2):
        assert predict_files(Sure(slow), [str(folder)], str(link), **CONFIDENT) == 0
        assert os.readlink(link) == "far/table"
        assert (tmp_path / "far" / "table").read_bytes().count(b'{"path": ') == 6
    assert set(seen) == {"table", "table.partial", "table.partial.json"}
    assert sorted(os.listdir(tmp_path)) == ["far", "scores.jsonl"]


@pytest.mark.parametrize("flag", ["maps", "evidence", "examples"])
def test_a_directory_inside_a_file_is_refused(tmp_path, capsys, flag):
    (tmp_path / "c.csv").write_text("x")
    value = tmp_path / "c.csv" / "x"
    assert run(["predict", str(tmp_path / "c.csv"), f"--{flag}={value}"]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line == f"error: --{flag}={value}: {tmp_path / 'c.csv'} is a file; give a directory"


@pytest.mark.parametrize("resume", [False, True])
def test_a_picture_is_never_overwritten_by_the_table(folder, capsys, resume):
    picture = folder / "b.png"
    before = picture.read_bytes()
    words = ["predict", str(folder), f"--output={picture}", *["--resume"] * resume]
    assert run(words) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line == (
        f"error: --output={picture} exists and is no table of predict; give another name, or "
        "remove it"
    )
    assert picture.read_bytes() == before
    assert not list(folder.glob("*.partial*"))


def test_an_earlier_table_of_any_format_is_overwritten(folder, tmp_path):
    options = [{"excel": True}, {"format": "jsonl"}, {"provenance": official_trust_list()}, {}]
    output = tmp_path / "scores"
    output.touch()
    tables = []
    for given in options:
        assert predict_files(Sure(), [str(folder)], str(output), **CONFIDENT, **given) == 0
        tables.append(output.read_bytes())
    assert len(set(tables)) == len(options)


def test_rows_are_written_as_they_are_known(folder, tmp_path):
    seen = []

    def slow(paths, **_):
        for path in paths:
            seen.append(len(rows(tmp_path / "scores.csv.partial")) if seen else 1)
            yield ImageScore(path, 0.5, "unsure", "")

    assert predict_files(Sure(slow), [str(folder)], str(tmp_path / "scores.csv"), **CONFIDENT) == 0
    assert seen == [1, 2, 3, 4, 5, 6]
    assert os.listdir(tmp_path) == ["scores.csv"]


def test_memory_does_not_grow_with_the_number_of_files(tmp_path):
    """Bytes of Python's objects per file, beyond those of the first 100."""
    peaks = []
    for count in (100, 2100):
        (tmp_path / f"{count}").mkdir()
        for number in range(count):
            (tmp_path / f"{count}" / f"{number:04d}.png").touch()
        tracemalloc.start()
        folder, output = str(tmp_path / f"{count}"), str(tmp_path / "t.csv")
        assert predict_files(Sure(), [folder], output, **CONFIDENT) == 0
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert (peaks[1] - peaks[0]) / 2000 < 20


def test_folders_are_searched_and_hidden_files_left_out(folder, tmp_path):
    names = scored(tmp_path, folder)
    assert list(names) == sorted(names)
    assert len(names) == 6
    with pytest.raises(ValueError, match="does not exist"):
        scored(tmp_path, folder / "no")


def test_an_empty_folder_is_wrong_usage(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="nothing to score"):
        scored(tmp_path, tmp_path / "empty")


def test_all_that_lies_in_a_folder_is_scored_or_named(folder, tmp_path, monkeypatch, capsys):
    """Linked folders, as for ``prepare``; links that lead nowhere; folders that are locked."""
    root = tmp_path / "root"
    (root / "locked").mkdir(parents=True)
    (root / "linked").symlink_to(folder / "deep")
    (root / "circle").symlink_to(root)
    (root / "gone.png").symlink_to(tmp_path / "nowhere")
    Image.fromarray(runs.picture(0, False)).save(root / "own.png")
    scandir = os.scandir

    def guarded(path):  # root, who may run the tests, may read all
        if os.path.basename(path) == "locked":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    errors = scored(tmp_path, root, status=1)
    assert errors == {
        "gone.png": "broken link",
        "linked/broken.jpg": "",
        "linked/c.webp": "",
        "linked/er/d.bmp": "",
        "locked": "cannot be read: Permission denied",
        "own.png": "",
    }
    assert "6 files: 4 generated" in (said := capsys.readouterr().err)
    assert "2 not scored" in said


@pytest.mark.slow
def test_a_photograph_of_24_megapixels_needs_less_than_3_gigabytes(reference_inputs, tmp_path):
    """The published network on 6000x4000 pixels at native size; peak of the whole process."""
    weights = tmp_path / "NPR.safetensors"
    safetensors.numpy.save_file(reference_inputs.make_weights(0), weights)
    block = np.random.default_rng(0).integers(0, 256, (500, 400, 3), np.uint8)
    Image.fromarray(np.tile(block, (8, 15, 1))).save(tmp_path / "large.jpg", quality=90)
    arguments = [sys.executable, "main.py", "predict", f"--weights={weights}", "--resize=native"]
    arguments += [f"--output={tmp_path / 'out.csv'}", str(tmp_path / "large.jpg")]
    # Linux counts the process that starts a command as its first peak, and this one has run tests
    # of gigabytes: a small process starts it, whose child's peak is the command's own.
    launcher = [sys.executable, "-c", PEAK_OF_COMMAND, *arguments]
    ran = subprocess.run(launcher, cwd=runs.ROOT, stdout=subprocess.PIPE, text=True)
    status, peak = map(int, ran.stdout.split())
    assert status == 0
    assert 0 <= float(rows(tmp_path / "out.csv")[1][1]) <= 1
    assert peak * 1024 < 3 * GIGABYTE
