"""The command line as a user types it: every command, --help, wrong usage."""

import importlib.metadata
import json
import shutil

import pytest
import safetensors.numpy
from PIL import Image

from input_pipeline.storage.prepared_dataset import PreparedDataset
from npr_jax.cli import main
from tests import runs


# ml_collections loads config files the way Python used to.
@pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")
@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        (("train",), ("train needs --config=configs/NAME.py",)),
        (("--config=configs/npr.py",), ("--workdir=DIR",)),
        (("fit", "--config=configs/npr.py"), ("'fit'", "train, evaluate, predict, prepare")),
        (("--colour=red",), ("colour",)),
        (("--config=configs/absent.py",), ("absent.py",)),
        (("--config=configs/npr.py:half",), ("error: factor 'half'", "0.25 or 1/3")),
        (
            ("--config=configs/sweeps/colors.py", "--workdir=/tmp/never"),
            ("a sweep's", "main.py sweep"),
        ),
        (("prepare", "--source=x"), ("--output=DIR",)),
        (("prepare", "--source=/nonexistent", "--output=/tmp/never"), ("/nonexistent",)),
        (("report",), ("--workdir=DIR",)),
        (("report", "--workdir=/nonexistent"), ("/nonexistent has nothing to report",)),
        (("evaluate",), ("--workdir=RUN", "--data=PREPARED and --output=DIR")),
        (("predict",), ("needs image files or folders",)),
        (("localize",), ("--workdir=RUN, or --output=DIR",)),
        (("predict", "--workdir=/nonexistent", "x.png"), ("/nonexistent holds no run",)),
        *(
            (("predict", f"--max_megapixels={wrong}", "x.png"), ("--max_megapixels=", "above 0"))
            for wrong in ("inf", "1e308", "nan", "0", "-1")
        ),
        (
            ("prepare", "--source=x", "--output=o", "--max_megapixels=inf"),
            ("--max_megapixels=inf", "above 0"),
        ),
        *(
            (("predict", f"--resize={side}", "x.png"), (f"--resize={side}", "at most 15811"))
            for side in ("15812", "99999999", "9" * 5000)
        ),
        (("predict", "--workdir=a", "--weights=b", "x.png"), ("--workdir=a", "--weights=b")),
    ],
    ids=lambda value: " ".join(value) if value and str(value[0]).startswith("-") else None,
)
def test_wrong_usage(arguments, texts, capsys):
    """One line that names what was given and what is expected; status 2; nothing is made."""
    assert main.run(arguments) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    for text in texts:
        assert text in line


def test_train_leaves_a_run(trained):
    for name in ("config.json", "metrics.jsonl", "parameters.txt", "report.html"):
        assert (trained.workdir / name).stat().st_size > 0, name
    assert "AP" in trained.stdout
    assert "mean" in trained.stdout
    assert str(trained.workdir / "report.html") in trained.stdout
    assert "Traceback" not in trained.stderr


def test_prepare_then_evaluate_published_weights(tmp_path, reference_inputs):
    """A researcher's first use: published weights on a folder tree of one's own."""
    for index in range(5):
        for label, name in enumerate(("0_real", "1_fake")):
            folder = tmp_path / "tree" / "somegan" / name
            folder.mkdir(parents=True, exist_ok=True)
            pixels = runs.picture(10 * index + label, bool(label))
            Image.fromarray(pixels).save(folder / f"{index}.png")
    (tmp_path / "tree" / "somegan" / "1_fake" / "notes.txt").write_text("no image")
    finished = runs.main(
        *("prepare", f"--source={tmp_path / 'tree'}", f"--output={tmp_path / 'prepared'}"),
        *("--name=mine", "--max_bad_fraction=0.5"),
    )
    assert "notes.txt" in finished.stdout
    [generator] = PreparedDataset.load(tmp_path / "prepared").splits["test"].generators.items()
    assert generator == ("somegan", {"photographs": 5, "generated": 5})

    weights = tmp_path / "NPR.safetensors"
    safetensors.numpy.save_file(reference_inputs.make_weights(0), weights)
    finished = runs.main(
        *("evaluate", f"--weights={weights}", f"--data={tmp_path / 'prepared'}"),
        *("--resize=64", f"--output={tmp_path / 'results'}"),
    )
    assert "somegan" in finished.stdout
    [path] = (tmp_path / "results" / "evaluation").glob("*/results.json")
    results = json.loads(path.read_text())
    assert results["meta"]["weights"] == f"{weights} (npr)"
    assert results["meta"]["parameters"] == 1_437_761
    [row] = results["generators"]
    assert (row["n_photographs"], row["n_generated"]) == (5, 5)
    assert (tmp_path / "results" / "report.html").is_file()


def test_prepare_lists_the_catalogue_and_checks_a_source(tmp_path):
    assert "gangen_detection (Table 2)" in runs.main("prepare", "--list").stdout
    for index, label in enumerate(("0_real", "1_fake")):
        folder = tmp_path / "tree" / "BEGAN" / label
        folder.mkdir(parents=True)
        Image.fromarray(runs.picture(index, False)).save(folder / "a.png")
    finished = runs.main(
        *("prepare", "--check", "--dataset=gangen_detection", f"--source={tmp_path / 'tree'}"),
        f"--output={tmp_path / 'report.json'}",
        status=1,
    )
    assert "missing generator (8)" in finished.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    assert {"kind": "missing generator", "text": "test SNGAN"} in report["problems"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.json", "tree"]


def test_the_check_of_a_source_overwrites_no_picture(tmp_path, capsys):
    picture = tmp_path / "0_real" / "a.png"
    picture.parent.mkdir()
    Image.fromarray(runs.picture(0, False)).save(picture)
    before = picture.read_bytes()
    words = ["prepare", "--check", f"--source={tmp_path}", "--split=test", f"--output={picture}"]
    assert main.run(words) == 2
    assert "a.png exists and does not end in .json" in capsys.readouterr().err
    assert picture.read_bytes() == before


def test_evaluate_a_run_on_another_split_of_another_set(tmp_path, trained, tiny_data):
    finished = runs.main(
        *("evaluate", f"--workdir={trained.workdir}", f"--data={tiny_data}", "--split=dev"),
        *("--delivery=hard", f"--output={tmp_path}"),
    )
    assert "alpha" in finished.stdout
    [path] = (tmp_path / "evaluation").glob("*/results.json")
    meta = json.loads(path.read_text())["meta"]
    assert (meta["split"], meta["delivery"], meta["data"]) == ("dev", "hard", "tiny")
    assert (path.parent / "scores.csv").read_text().count("\n") == 1 + runs.SPLITS["dev"]


def test_report_is_made_again_from_what_a_run_left(trained, tmp_path):
    workdir = tmp_path / "run"
    shutil.copytree(trained.workdir, workdir, ignore=shutil.ignore_patterns("checkpoints"))
    page = (workdir / "report.html").read_bytes()
    (workdir / "report.html").unlink()
    assert str(workdir / "report.html") in runs.main("report", f"--workdir={workdir}").stdout
    assert (workdir / "report.html").read_bytes() == page


def test_evaluate_refuses_a_split_that_does_not_exist(trained, tmp_path):
    finished = runs.main(
        *("evaluate", f"--workdir={trained.workdir}", "--split=holdout", f"--output={tmp_path}"),
        status=2,
    )
    assert "data.test_split is 'holdout'; the data set has dev, test, train" in finished.stderr
    assert "Traceback" not in finished.stderr


# ml_collections loads config files the way Python used to.
@pytest.mark.filterwarnings("ignore:the load_module:DeprecationWarning")
@pytest.mark.parametrize("variant", ["", ":half"])
def test_recipes_that_are_installed_need_no_checkout(variant, tmp_path, monkeypatch, capsys):
    said = {"": "train needs --workdir=DIR", ":half": "error: factor 'half'"}[variant]
    monkeypatch.chdir(tmp_path)
    assert main.run(["train", f"--config=configs/npr.py{variant}"]) == 2
    assert said in capsys.readouterr().err
    # One of the same name in the directory at hand is the user's own, and comes first.
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "npr.py").write_text("raise ValueError('of my own')")
    assert main.run(["train", "--config=configs/npr.py"]) == 2
    assert "of my own" in capsys.readouterr().err


def test_version_names_the_program_and_the_bundled_detector(as_default, capsys):
    assert main.run(["--version"]) == 0
    own = importlib.metadata.version("npr-jax")
    assert capsys.readouterr().out == f"npr-jax {own}, bundled detector tiny 1.0\n"
