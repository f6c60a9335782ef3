"""The public API: loading a run or published weights, scoring pixels and files."""

import json
import os
import pathlib
import shutil

import numpy as np
import pytest
from flax import nnx
from PIL import Image

import npr_jax
from configs import spectrum
from input_pipeline.errors import UserError
from input_pipeline.images.preprocessing import Preprocessing
from input_pipeline.images.problems import ImageProblem
from npr_jax.cli import main
from npr_jax.detectors.trained import preprocessing_of
from npr_jax.inference.ensemble import Ensemble
from npr_jax.inference.tiling import MIN_SIDE
from npr_jax.inference.verdict import verdict_of
from npr_jax.models.base import predict
from npr_jax.models.systems.registry import build_model
from tests import runs

UPRIGHT, ROTATED = 1, 6  # EXIF orientations
ORIENTATION = 0x0112


@pytest.fixture(scope="module")
def detector(trained):
    return npr_jax.Detector.load(trained.workdir)


def test_bytes_are_scored_as_files_are(detector, tmp_path):
    for number in range(6):
        image = Image.fromarray(runs.picture(number, bool(number % 2), side=60 + number))
        image.save(tmp_path / f"{number}.jpg", quality=90)
    (tmp_path / "6.jpg").write_bytes(b"no image")
    paths = sorted(tmp_path.iterdir())
    expected = detector.score(paths)
    found = detector.score_bytes((str(path), path.read_bytes()) for path in paths)
    assert found == expected
    assert [bool(result.error) for result in found] == [False] * 6 + [True]


@pytest.mark.parametrize("kind", [str, os.fsencode, pathlib.Path])
def test_one_path_is_not_taken_letter_by_letter(detector, kind):
    with pytest.raises(UserError, match=r"paths is .*a\.png.*; give a list of paths, as \["):
        detector.score(kind("odd/a.png"))
    with pytest.raises(UserError, match="give a list of paths"):
        Ensemble([detector, detector]).score(kind("odd/a.png"))


def test_a_name_in_bytes_is_that_file(detector, tmp_path):
    path = os.fsencode(tmp_path) + b"/\xff.png"
    Image.fromarray(runs.picture(0, False)).save(tmp_path / "a.png")
    os.rename(tmp_path / "a.png", path)
    [result] = detector.score([path])
    assert (result.error, result.path) == ("", os.fsdecode(path))
    assert Ensemble([detector, detector]).score([path])[0].path == os.fsdecode(path)


@pytest.mark.parametrize("confidence", [2, 1, 0.49, -1, float("nan")])
def test_a_confidence_that_is_none_is_refused(detector, confidence):
    for score, given in (
        (detector.score, ["a.png"]),
        (detector.score_bytes, [("a.png", b"")]),
        (Ensemble([detector, detector]).score, ["a.png"]),
    ):
        with pytest.raises(UserError, match=r"expected at least 0\.5 and below"):
            score(given, confidence=confidence)


def probability(logit):
    return 1 / (1 + np.exp(-float(logit)))


def test_logits_of_stacked_and_of_mixed_images(detector):
    stacked = np.stack([runs.picture(i, bool(i % 2)) for i in range(3)])
    logits = detector.logits(stacked)
    assert logits.shape == (3,)
    assert logits.dtype == np.float32
    mixed = [stacked[0], runs.picture(9, False, side=40), stacked[2]]
    np.testing.assert_allclose(detector.logits(mixed)[[0, 2]], logits[[0, 2]], atol=1e-5)


def test_a_trained_run_knows_its_classes(detector):
    photographs = [runs.picture(7000 + i, False) for i in range(6)]
    generated = [runs.picture(7000 + i, True) for i in range(6)]
    assert detector.logits(photographs).max() < detector.logits(generated).min()


def test_load_gives_the_best_or_the_last_checkpoint(detector, trained):
    points = runs.curve(trained.workdir, "validation")
    best = max(points, key=lambda point: (point["ap"], -point["loss"]))
    assert detector.step == best["step"]
    assert detector.preprocessing_in_words == "native size, sides cut to multiples of 2 pixels"
    last = npr_jax.Detector.load(trained.workdir, checkpoint="last", resize=48)
    assert last.step == points[-1]["step"]
    assert last.preprocessing_in_words == "squashed to 48x48 pixels"


@pytest.mark.parametrize(
    ("options", "message"),
    [({"checkpoint": "newest"}, "expected best or last"), ({"resize": 16}, "at least 32")],
)
def test_load_refuses_other_options(trained, options, message):
    with pytest.raises(ValueError, match=message):
        npr_jax.Detector.load(trained.workdir, **options)


def test_load_refuses_what_is_no_finished_run(tmp_path, trained):
    with pytest.raises(ValueError, match="holds no run"):
        npr_jax.Detector.load(tmp_path)
    shutil.copy(trained.workdir / "config.json", tmp_path)
    with pytest.raises(ValueError, match="no checkpoints yet"):
        npr_jax.Detector.load(tmp_path)


def test_a_run_without_its_record_of_training_data_is_refused_by_name(tmp_path, trained, capsys):
    workdir = tmp_path / "run"
    shutil.copytree(trained.workdir, workdir)
    record = workdir / "training_data.json"
    record.write_text("{")
    with pytest.raises(UserError, match=r"training_data.json is damaged .no valid JSON"):
        npr_jax.Detector.load(workdir)
    record.unlink()
    Image.fromarray(runs.picture(0, False)).save(tmp_path / "a.png")
    assert main.run(["predict", f"--workdir={workdir}", str(tmp_path / "a.png")]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {workdir} has no training_data.json")


def test_published_weights_are_squashed_to_256_unless_told_otherwise(reference_inputs):
    detector = npr_jax.Detector.from_torch_state_dict(reference_inputs.make_weights(0))
    assert detector.preprocessing_in_words == "squashed to 256x256 pixels"


def test_a_name_that_no_file_can_have_is_that_files_error(detector):
    [result] = detector.score(["a\0b.png"])
    assert "null" in result.error


def test_a_fault_of_ours_is_not_called_one_of_the_file(detector, tmp_path, monkeypatch):
    def broken(self, image):
        return image.reshape(7, -1, 11)

    Image.fromarray(runs.picture(0, False)).save(tmp_path / "a.png")
    monkeypatch.setattr(Preprocessing, "__call__", broken)
    with pytest.raises(ValueError, match="cannot reshape array"):
        detector.score([tmp_path / "a.png"])


def test_results_keep_the_order_of_the_paths_with_errors_among_them(detector, tmp_path):
    Image.fromarray(runs.picture(0, False)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no image")
    Image.fromarray(runs.picture(1, True, side=80)).save(tmp_path / "c.png")
    Image.fromarray(runs.picture(2, False, side=MIN_SIDE - 2)).save(tmp_path / "d.png")
    cut = (tmp_path / "c.png").read_bytes()
    (tmp_path / "e.png").write_bytes(cut[: len(cut) // 2])
    (tmp_path / "f.png").write_bytes(b"")
    Image.fromarray(runs.picture(3, False)).save(tmp_path / "h.png")
    paths = [tmp_path / f"{name}.png" for name in "bacdefgha"]
    results = detector.score(paths)
    assert [result.path for result in results] == list(map(str, paths))
    problems = {result.path[-5]: result.error for result in results if result.error}
    assert set(problems) == set("bdefg")
    assert "too small: 30x30" in problems["d"]
    assert "No such file" in problems["g"]
    for result in results:
        if result.error:
            assert (result.score, result.verdict) == (None, "")
        else:
            pixels = np.asarray(Image.open(result.path))
            [expected] = detector.logits([pixels])
            assert result.score == pytest.approx(probability(expected), abs=1e-5)
            assert result.verdict == verdict_of(result.score, 0.75)
    assert results[1].score == results[-1].score


def test_no_paths_no_results(detector):
    assert detector.score([]) == []


def test_verdicts_need_their_confidence():
    cases = {0.0: "photograph", 0.25: "photograph", 0.26: "unsure", 0.74: "unsure"}
    for score, verdict in (cases | {0.75: "generated", 1.0: "generated"}).items():
        assert verdict_of(score, 0.75) == verdict, score
    assert verdict_of(0.5, 0.5) == "generated"
    assert verdict_of(0.49, 0.5) == "photograph"


def test_pixels_count_as_stored(detector, tmp_path):
    """EXIF orientation ignored, alpha laid on grey, grey repeated, 16 bits cut to their upper 8."""
    colour = runs.picture(11, True, side=50)[:, :40]
    grey = colour[:, :, 0]
    deep = grey.astype(np.uint16) * 256 + 77
    exif = Image.Exif()
    exif[ORIENTATION] = ROTATED
    Image.fromarray(colour).save(tmp_path / "rotated.png", exif=exif)
    alpha = np.random.default_rng(0).integers(0, 256, grey.shape, np.uint8)
    Image.fromarray(np.dstack([colour, alpha])).save(tmp_path / "alpha.png")
    Image.fromarray(np.dstack([grey, alpha])).save(tmp_path / "grey_alpha.png")
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(deep).save(tmp_path / "deep.png")
    Image.fromarray(grey).convert("P").save(tmp_path / "palette.png")
    repeated = np.repeat(grey[:, :, None], 3, axis=2)
    share = alpha[..., None] / 255
    laid, laid_grey = (
        np.rint(pixels * share + 128 * (1 - share)).astype(np.uint8)
        for pixels in (colour, repeated)
    )
    expected = {"rotated": colour, "alpha": laid, "grey_alpha": laid_grey}
    expected |= dict.fromkeys(("grey", "deep", "palette"), repeated)
    logits = detector.logits(expected.values())
    results = detector.score([tmp_path / f"{name}.png" for name in expected])
    for result, logit in zip(results, logits, strict=True):
        assert result.error == ""
        assert result.score == pytest.approx(probability(logit), abs=1e-6), result.path


def test_files_are_re_encoded_and_squashed_as_in_training(tmp_path, trained):
    """A run trained on re-encoded images re-encodes files at the middle quality."""
    workdir = tmp_path / "reencoded"
    shutil.copytree(trained.workdir, workdir)
    config = json.loads((workdir / "config.json").read_text())
    config["data"]["reencode"] = [60, 91]
    (workdir / "config.json").write_text(json.dumps(config))
    detector = npr_jax.Detector.load(workdir, resize=48)
    assert "re-encoded as JPEG 75" in detector.preprocessing_in_words
    image = Image.fromarray(runs.picture(5, False, side=70))
    image.save(tmp_path / "image.png")
    image.save(tmp_path / "saved.jpg", quality=75, subsampling="4:2:0")
    squashed = Image.open(tmp_path / "saved.jpg").resize((48, 48), Image.Resampling.BILINEAR)
    [expected] = detector.logits([np.asarray(squashed)])
    [result] = detector.score([tmp_path / "image.png"])
    assert result.score == pytest.approx(probability(expected), abs=1e-6)


def test_an_odd_last_row_and_column_do_not_count(detector, tmp_path):
    """Torch's rule puts NPR's reference pixels elsewhere at odd sizes: another detector."""
    pixels = runs.picture(6, True, side=66)[:65, :65]
    Image.fromarray(pixels).save(tmp_path / "odd.png")
    [even] = detector.logits([pixels[:64, :64]])
    assert detector.logits([pixels]) == pytest.approx(even, abs=1e-6)
    [result] = detector.score([tmp_path / "odd.png"])
    assert result.logit == pytest.approx(even, abs=1e-6)
    assert detector.read(tmp_path / "odd.png").shape == (64, 64, 3)
    uncut = predict(detector.model, pixels[None]).logits[0]
    assert abs(uncut - even) > 1e-3, "an image that scores alike would prove nothing"


def test_even_edges_hold_where_the_network_has_no_grid():
    """The protocol of AIGCDetectBenchmark, for a system that looks at pixels themselves."""
    config = spectrum.get_config()
    config.data.evaluate_resize = 0
    model = build_model(config.model, nnx.Rngs(params=0))
    pixels = runs.picture(6, True, side=66)[:65, :63]
    for even, shape in ((False, (65, 63, 3)), (True, (64, 62, 3))):
        config.data.evaluate_even = even
        plain = npr_jax.Detector(model, preprocessing_of(config), source="test")
        [seen] = plain.see([pixels])
        assert seen.shape == shape
        assert ("multiples of 2 pixels" in plain.preprocessing_in_words) == even


class Halved:
    """A file view that makes of an image every second row and column."""

    description = "halved"

    def stream(self, images):
        return (np.ascontiguousarray(image[::2, ::2]) for image in images)


def test_scores_and_maps_of_files_go_through_the_file_view(detector, tmp_path):
    viewing = detector.with_preprocessing(Preprocessing(resize=96))
    viewing.file_view = Halved()
    pixels = runs.picture(8, True, side=70)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    squashed = Image.fromarray(pixels).resize((96, 96), Image.Resampling.BILINEAR)
    expected = np.asarray(squashed)[::2, ::2]
    seen = viewing.read(str(tmp_path / "a.png"))
    np.testing.assert_array_equal(seen, expected)
    [result] = viewing.score([tmp_path / "a.png"])
    assert result.logit == pytest.approx(float(detector.logits([expected])[0]), abs=1e-5)
    maps = viewing.maps(seen)
    assert maps["position_logits"].mean() == pytest.approx(result.logit, abs=1e-4)


def test_what_cannot_be_read_is_named(detector, tmp_path):
    Image.fromarray(runs.picture(2, False, side=20)).save(tmp_path / "small.png")
    (tmp_path / "b.png").write_bytes(b"no image")
    for name, kind, words in (
        ("small.png", "too small", "at least 32x32"),
        ("b.png", "unreadable", "not an image"),
        ("absent.png", "unreadable", "No such file"),
    ):
        with pytest.raises(ImageProblem, match=rf"{name}: .*{words}") as caught:
            detector.read(str(tmp_path / name))
        assert caught.value.kind == kind


def test_another_preprocessing_leaves_the_detector_as_it_was(detector):
    way = detector.preprocessing
    other = detector.with_preprocessing(Preprocessing(resize=48))
    assert (detector.preprocessing, other.preprocessing.resize) == (way, 48)
    assert other.preprocessing.min_side == MIN_SIDE
    image = runs.picture(3, True)
    np.testing.assert_array_equal(detector.logits([image]), other.logits([image]))


def test_the_public_names_are_there():
    assert npr_jax.__all__ == sorted(npr_jax.__all__)
    for name in npr_jax.__all__:
        assert getattr(npr_jax, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'Detektor'"):
        _ = npr_jax.Detektor
