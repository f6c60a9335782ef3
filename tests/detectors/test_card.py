"""A detector to give away: two files that score as its run does, or say why they do not."""

import dataclasses
import hashlib
import json
import shutil

import numpy as np
import onnx
import pytest
import safetensors.numpy
from PIL import Image

from input_pipeline.errors import UserError
from npr_jax import Detector
from npr_jax.cli import main
from npr_jax.detectors import calibration_file, card
from npr_jax.detectors.calibration import Calibration
from tests import runs

# Bytes of all weights that the package may hold.
MOST_BYTES = 8_000_000
# What readers of the package's own card have to find on it.
TOLD = {"data", "licences", "recipe", "commit", "figures"}


@pytest.fixture
def copied(packed, tmp_path):
    """A folder of one's own with both files."""
    return shutil.copytree(packed, tmp_path / "copied")


def rewrite(folder, **changes):
    path = folder / "tiny.json"
    path.write_text(card.card_text(json.loads(path.read_text()) | changes))
    return path


def refusal(path) -> str:
    with pytest.raises(UserError) as caught:
        Detector.from_card(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_it_scores_as_the_run_does(trained, packed):
    images = [runs.picture(i, bool(i % 2), side=50 + 7 * i) for i in range(6)]
    run, given = Detector.load(trained.workdir), Detector.from_card(packed)
    np.testing.assert_array_equal(given.logits(images), run.logits(images))
    assert (given.preprocessing, given.step) == (run.preprocessing, run.step)
    assert given.training_data == run.training_data
    assert given.source == given.title == "tiny 1.0"
    assert given.card.facts == {"licence": "CC0"}


def test_the_card_describes_the_file_beside_it(trained, packed):
    said = json.loads((packed / "tiny.json").read_text())
    weights = (packed / said["weights"]["file"]).read_bytes()
    assert said["weights"]["sha256"] == hashlib.sha256(weights).hexdigest()
    assert said["weights"]["bytes"] == len(weights)
    arrays = safetensors.numpy.load(weights)
    saved = runs.saved_arrays(trained.workdir, said["step"])
    total = sum(a.size for key, a in saved.items() if key.startswith(("params", "batch_stats")))
    assert sum(array.size for array in arrays.values()) == total
    assert {str(array.dtype) for array in arrays.values()} == {said["weights"]["numbers"]}
    assert said["model"] == json.loads((trained.workdir / "config.json").read_text())["model"]


def test_its_calibration_comes_along(trained, tmp_path):
    workdir = shutil.copytree(trained.workdir, tmp_path / "run")
    run = Detector.load(workdir)
    known = Calibration(2.0, 0.5, 0.05, 1.0, -0.25)
    path = calibration_file.file_of(workdir, run.step)
    path.parent.mkdir()
    checkpoint = {"step": run.step, "hash": calibration_file.fingerprint(run.model)}
    content = {"checkpoint": checkpoint, "preprocessing": run.preprocessing.values()}
    path.write_text(json.dumps(content | dataclasses.asdict(known)))
    said = runs.pack(workdir, tmp_path, {"name": "sure", "version": "2"})
    assert "scores: calibrated (temperature 2, bias 0.5" in said[0]
    assert not any("before:" in line for line in said), "the card does what comes before"
    given = Detector.from_card(tmp_path / "sure.json")
    assert given.calibration == known
    assert Detector.from_card(tmp_path / "sure.json", resize=48).calibration is None


@pytest.mark.parametrize("named", ["", "tiny.json", "tiny.safetensors"])
def test_folder_card_and_weights_mean_the_same(packed, named):
    assert card.find_card(packed / named) == packed / "tiny.json"


def test_published_weights_and_empty_folders_are_no_cards(packed, tmp_path):
    shutil.copy(packed / "tiny.safetensors", tmp_path / "NPR.safetensors")
    assert card.find_card(tmp_path / "NPR.safetensors") is None
    assert card.find_card(tmp_path / "NPR.pth") is None
    assert card.find_card(tmp_path) is None
    assert "holds no detector" in refusal(tmp_path)


def test_predict_names_a_folder_without_a_detector(tmp_path, capsys):
    weights = tmp_path / "empty"
    weights.mkdir()
    Image.fromarray(runs.picture(0, False)).save(tmp_path / "a.png")
    assert main.run(["predict", f"--weights={weights}", str(tmp_path / "a.png")]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line == f"error: {weights} holds no detector; give the card of one, as NAME.json"
    both = f"--weights={weights},{tmp_path / 'a.png'}"
    assert main.run(["predict", both, str(tmp_path / "a.png")]) == 2
    assert f"{weights} is a folder; give a .safetensors or .pth" in capsys.readouterr().err


def test_of_two_detectors_in_a_folder_one_is_named(copied):
    for name in ("tiny.json", "tiny.safetensors"):
        shutil.copy(copied / name, copied / name.replace("tiny", "other"))
    assert "other.json, tiny.json" in refusal(copied)


def test_weights_that_the_card_does_not_describe_are_refused(copied):
    path = copied / "tiny.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    expected = hashlib.sha256(content).hexdigest()[:12]
    message = refusal(copied)
    assert "is not the file that tiny.json describes" in message
    assert expected in message


def test_weights_of_another_network_are_refused(copied):
    """Although the card gives their hash."""
    path = copied / "tiny.safetensors"
    arrays = safetensors.numpy.load_file(path)
    first = min(name for name in arrays if name.endswith("kernel"))
    arrays.pop(first)
    content = safetensors.numpy.save(arrays | {"more": np.zeros(1, np.float32)})
    path.write_bytes(content)
    rewrite(copied, weights={"file": path.name, "sha256": hashlib.sha256(content).hexdigest()})
    message = refusal(copied)
    assert f"1 arrays are missing, as {first}" in message
    assert "1 are unknown, as more" in message


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"format": 2}, "its format is 2, .* reads 1; install a newer version of npr-jax"),
        ({"format": "x"}, "is damaged .its format is 'x', expected 1.; copy the detector again"),
        ({"preprocessing": {"rotate": 1}}, "rotate"),
        ({"model": {"name": "npr"}}, "model.backbone"),
        ({"model": "npr"}, "is damaged"),
        ({"calibration": {"temperature": 1}}, "lacks 'bias'"),
        ({"weights": {"file": "gone.safetensors", "sha256": ""}}, "gone.safetensors"),
        ({"weights": {"file": "tiny.safetensors", "sha256": {}}}, "is damaged .*sha256"),
    ],
)
def test_a_damaged_card_says_what_is_wrong(copied, changes, text):
    path = rewrite(copied, **changes)
    with pytest.raises(UserError, match=text) as caught:
        Detector.from_card(path)
    assert "tiny.json" in str(caught.value)


@pytest.mark.parametrize("engine", ["flax", "onnxruntime"])
def test_a_card_that_was_changed_by_hand_is_refused(copied, tmp_path, capsys, engine):
    """A limit's digit would change verdicts, and nothing would tell."""
    path = copied / "tiny.json"
    text = path.read_text()
    assert '"factors": [\n      0.5' in text
    path.write_text(text.replace('"factors": [\n      0.5', '"factors": [\n      0.25'))
    Image.fromarray(runs.picture(0, True)).save(tmp_path / "picture.png")
    flags = [f"--weights={copied}", f"--engine={engine}"]
    assert main.run(["predict", str(tmp_path / "picture.png"), *flags]) == 2
    assert "is damaged (its content is not what was written); copy" in capsys.readouterr().err


def test_a_card_from_before_cards_had_checksums_is_read(copied):
    path = copied / "tiny.json"
    said = json.loads(path.read_text())
    del said["card_sha256"]
    path.write_text(json.dumps(said))
    assert Detector.from_card(copied).card.facts == {"licence": "CC0"}


def test_a_card_that_is_no_json(tmp_path):
    (tmp_path / "a.json").write_text("{")
    assert "a.json is damaged (no valid JSON" in refusal(tmp_path / "a.json")
    assert "cannot be read as a detector's card" in refusal(tmp_path / "absent.json")


def test_without_a_detector_of_its_own_the_package_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(card, "OWN_FOLDER", tmp_path)
    with pytest.raises(UserError, match="without a trained detector; give --workdir=RUN"):
        Detector.default()


def test_the_default_is_the_one_in_the_package(as_default):
    assert Detector.default().title == "tiny 1.0"
    assert "squashed to 48x48" in Detector.default(resize=48).preprocessing_in_words


def test_loading_imports_no_orbax(packed):
    code = "import sys, npr_jax; npr_jax.Detector.from_card(sys.argv[1]); print(*sys.modules)"
    modules = runs.python("-c", code, packed).stdout.split()
    assert not [name for name in modules if name.startswith("orbax")]


def test_the_package_s_own_detector_is_whole():
    detector = Detector.default()
    assert detector.calibration is not None
    assert detector.card.facts.keys() >= TOLD
    held = [p for p in card.OWN_FOLDER.iterdir() if p.suffix in (".onnx", ".safetensors")]
    assert sum(path.stat().st_size for path in held) <= MOST_BYTES


def test_the_packages_network_for_onnx_runtime_is_that_of_the_weights():
    """If not: export --format=detector --weights=npr_jax/detectors --output=npr_jax/detectors."""
    path = card.own_card()
    known, model = card.load_card(path)
    made = card.pack(known, model)[path.with_suffix(".onnx").name]
    held = path.with_suffix(".onnx").read_bytes()
    assert onnx.load_from_string(held) == onnx.load_from_string(made)


def test_predict_takes_the_default_and_names_it(as_default, tmp_path, capsys):
    Image.fromarray(runs.picture(0, True)).save(tmp_path / "a.png")
    assert main.run(["predict", str(tmp_path / "a.png")]) == 0
    said = capsys.readouterr()
    assert said.err.startswith("detector: tiny 1.0; images: native size, sides cut to multiples")
    detector = Detector.from_card(as_default).with_engine("auto")
    [expected] = detector.score([tmp_path / "a.png"])
    assert (
        said.out.splitlines()[1] == f"{tmp_path / 'a.png'},{expected.score:.6f},{expected.verdict},"
    )


def test_predict_takes_a_detector_that_was_given_away(packed, tmp_path, capsys):
    Image.fromarray(runs.picture(0, True)).save(tmp_path / "a.png")
    for given in (packed, packed / "tiny.json", packed / "tiny.safetensors"):
        assert main.run(["predict", f"--weights={given}", str(tmp_path / "a.png")]) == 0
        assert "detector: tiny 1.0; " in capsys.readouterr().err


def test_predict_makes_examples_and_says_what_they_are(as_default, tmp_path, capsys):
    assert main.run(["predict", f"--examples={tmp_path / 'made'}"]) == 0
    said = capsys.readouterr()
    names = sorted(line.split(",")[0] for line in said.out.splitlines()[1:])
    assert names == sorted(map(str, (tmp_path / "made").iterdir()))
    assert len(names) == 5
    last = said.err.splitlines()[-1]
    assert "the examples are simulations" in last
    assert last.endswith("what counts are your own: predict my_pictures/")
    assert main.run(["predict", f"--examples={names[0]}"]) == 2
    assert "is a file; give a directory" in capsys.readouterr().err


@pytest.mark.slow
def test_localize_takes_the_default_and_a_folder_for_results(as_default, tmp_path):
    sizes = ("--composites=2", "--image_size=64")
    assert main.run(["localize", f"--output={tmp_path}", *sizes]) == 0
    results = json.loads((tmp_path / "localization" / "localization.json").read_text())
    assert results["meta"]["detector"] == "tiny 1.0"


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (["--checkpoint=last"], "--checkpoint=last is of a run; give its --workdir=RUN"),
        (["--weights=a", "--checkpoint=last"], "--checkpoint=last is of a run"),
        (["--weights=a", "--workdir=b"], "either --workdir=RUN or --weights=FILE, or none"),
    ],
)
def test_flags_that_do_not_go_together(as_default, capsys, flags, text):
    assert main.run(["predict", *flags, "a.png"]) == 2
    assert text in capsys.readouterr().err


def test_evaluate_and_robustness_take_the_default(as_default, tiny_data, tmp_path, capsys):
    for command in ("evaluate", "robustness"):
        assert main.run([command, f"--data={tiny_data}"]) == 2
        assert "needs --workdir=RUN, or --data=PREPARED and --output=DIR" in capsys.readouterr().err
    arguments = (f"--data={tiny_data}", f"--output={tmp_path / 'out'}", "--samples=0")
    assert main.run(["evaluate", *arguments]) == 0
    [results] = (tmp_path / "out" / "evaluation").glob("*/results.json")
    meta = json.loads(results.read_text())["meta"]
    assert (meta["weights"], meta["checkpoint"]) == ("tiny 1.0", None)
    assert meta["train_data"] == "tiny"
